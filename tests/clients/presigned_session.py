"""Presigned URLs as boto3, awscli and s3cmd make them, by Signature Version 4 and 2, used by curl: they do what they
were made for, and nothing else."""

import os
import sys
import time
import urllib.parse
from pathlib import Path

import boto3
from botocore.config import Config

from session import (
    BASE_PATH, ENDPOINT, KEYS, KEYS_ARE_CHECKED, REFUSALS, REGION, WORK, Checks, finish, run
)  # fmt: skip
from curl import curl, expect

AWS = Path(sys.executable).parent / "aws"
SCRATCH = WORK / "presigned"
BODY = b"what is there already"
NEW = b"what a URL puts there"
HOUR_SECONDS = 3600


def s3(keys, signature_version="s3v4"):
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT + BASE_PATH,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        region_name=REGION,
        config=Config(signature_version=signature_version, s3={"addressing_style": "path"}),
    )


# What makes a URL for an operation on a key: `make(keys, operation, key, seconds)`.


def by_boto3(keys, operation, key, seconds):
    parameters = {"Bucket": BUCKET, "Key": key}
    return s3(keys).generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)


def by_boto3_default(keys, operation, key, seconds):
    """With no version configured: 2, at an endpoint that is not AWS's."""
    parameters = {"Bucket": BUCKET, "Key": key}
    return s3(keys, None).generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)


def awscli(keys, key, seconds, settings):
    config = SCRATCH / "config"
    config.write_text(f"[default]\nregion = {REGION}\ns3 =\n  addressing_style = path\n{settings}")
    environment = os.environ | dict(
        AWS_ACCESS_KEY_ID=keys.access,
        AWS_SECRET_ACCESS_KEY=keys.secret,
        AWS_CONFIG_FILE=str(config),
        AWS_SHARED_CREDENTIALS_FILE=str(SCRATCH / "none"),
    )
    words = ["--endpoint-url", ENDPOINT + BASE_PATH, "s3", "presign", f"s3://{BUCKET}/{key}"]
    return run(AWS, *words, "--expires-in", seconds, env=environment).decode().strip()


def by_awscli(keys, _operation, key, seconds):
    return awscli(keys, key, seconds, "  signature_version = s3v4\n")


def by_awscli_default(keys, _operation, key, seconds):
    return awscli(keys, key, seconds, "")


def by_s3cmd(keys, _operation, key, seconds):
    host = urllib.parse.urlsplit(ENDPOINT).netloc + BASE_PATH
    config = SCRATCH / "s3cfg"
    config.write_text(
        f"[default]\naccess_key = {keys.access}\nsecret_key = {keys.secret}\n"
        f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\nbucket_location = {REGION}\n"
    )
    return run("s3cmd", "--config", config, "signurl", f"s3://{BUCKET}/{key}", f"+{seconds}").decode().strip()


BUCKET = "bucket-of-presigned"
VERSION_PARAMETER = {2: "Signature", 4: "X-Amz-Signature"}
EXPIRY_PARAMETER = {2: "Expires", 4: "X-Amz-Expires"}
# Name, maker, version of the signature, and whether it makes URLs for more than GetObject.
MAKERS = [
    ("boto3 s3v4", by_boto3, 4, True),
    ("boto3 by default", by_boto3_default, 2, True),
    ("awscli s3v4", by_awscli, 4, False),
    ("awscli by default", by_awscli_default, 2, False),
    ("s3cmd signurl", by_s3cmd, 2, False),
]


def get(url):
    return curl(url)


def put(url):
    new = SCRATCH / "new"
    new.write_bytes(NEW)
    return curl(url, "--upload-file", new)


def head(url):
    return curl(url, "--head")[0]


def delete(url):
    return curl(url, "--request", "DELETE")


def with_parameter(url, name, change):
    """The URL with another value of a parameter."""
    at = urllib.parse.urlsplit(url)
    pairs = urllib.parse.parse_qsl(at.query, keep_blank_values=True)
    assert name in dict(pairs), url
    pairs = [(known, change(value) if known == name else value) for known, value in pairs]
    return at._replace(query=urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)).geturl()


def other_signature(value):
    return ("0" if value[0] != "0" else "1") + value[1:]


class Session:
    def __init__(self, name, make, version, makes_all):
        self.make, self.version, self.makes_all = make, version, makes_all
        self.checks = Checks(f"presigned by {name}")
        self.own = s3(KEYS)

    def url(self, operation="get_object", key="there", seconds=HOUR_SECONDS, keys=KEYS):
        made = self.make(keys, operation, key, seconds)
        assert VERSION_PARAMETER[self.version] in dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(made).query)), made
        return made

    def body(self, key):
        return self.own.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self):
        return [found["Key"] for found in self.own.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def run(self):
        self.own.put_object(Bucket=BUCKET, Key="there", Body=BODY)
        with self.checks.check("GET"):
            assert get(self.url()) == (200, BODY)
        if self.makes_all:
            self.other_operations()
        if KEYS_ARE_CHECKED:
            self.changed_urls()
            self.other_methods()
            self.other_keys()
            self.expired()
        return self.checks.done()

    def other_operations(self):
        with self.checks.check("HEAD"):
            assert head(self.url("head_object")) == 200
        with self.checks.check("PUT"):
            status, _body = put(self.url("put_object", "put"))
            assert (status, self.body("put")) == (200, NEW)
        with self.checks.check("DELETE"):
            assert delete(self.url("delete_object", "put")) == (204, b"")
            assert self.keys() == ["there"]

    def changed_urls(self):
        url = self.url()
        changes = [
            ("another key", url.replace("/there?", "/other?")),
            ("a later expiry", with_parameter(url, EXPIRY_PARAMETER[self.version], lambda value: str(int(value) + 1))),
            ("another signature", with_parameter(url, VERSION_PARAMETER[self.version], other_signature)),
            ("a parameter more", f"{url}&response-content-type=text%2Fhtml"),
            ("another operation", f"{url}&acl"),
        ]
        for what, changed in changes:
            with self.checks.check(f"a URL with {what}"):
                expect(get(changed), 403, "SignatureDoesNotMatch")
                assert head(changed) == 403

    def other_methods(self):
        with self.checks.check("another method than GET"):
            url = self.url()
            expect(put(url), 403, "SignatureDoesNotMatch")
            expect(delete(url), 403, "SignatureDoesNotMatch")
            assert head(url) == 403
            assert self.body("there") == BODY
        if self.makes_all:
            with self.checks.check("another method than PUT"):
                url = self.url("put_object")
                expect(get(url), 403, "SignatureDoesNotMatch")
                expect(delete(url), 403, "SignatureDoesNotMatch")
                assert self.body("there") == BODY

    def other_keys(self):
        for what, keys, code in REFUSALS:
            with self.checks.check(what):
                expect(get(self.url(keys=keys)), 403, code)
        with self.checks.check("no signature"):
            expect(get(self.url().split("?")[0]), 403, "AccessDenied")

    def expired(self):
        with self.checks.check("expired"):
            urls = [self.url(seconds=1)]
            if self.makes_all:
                urls += [self.url("delete_object", seconds=1), self.url("put_object", seconds=1)]
            time.sleep(2.1)
            for url, use in zip(urls, (get, delete, put)):
                expect(use(url), 403, "AccessDenied")
            assert self.body("there") == BODY


SCRATCH.mkdir(parents=True, exist_ok=True)
s3(KEYS).create_bucket(Bucket=BUCKET)
passed = [Session(*maker).run() for maker in MAKERS]
s3(KEYS).delete_object(Bucket=BUCKET, Key="there")
s3(KEYS).delete_bucket(Bucket=BUCKET)
finish(*passed)
