"""Forms as a browser posts them, sent by curl: policies made by boto3 (Signature Version 4) and by hand (Version 2)."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import urllib.parse
import xml.etree.ElementTree

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from session import BASE_PATH, ENDPOINT, KEYS, MIB, WORK, Checks, payload, run, sha256

BUCKET = "bucket-of-post"


def needs_keys():
    """Whether the server checks who asks: without keys any signature is as good as another."""
    at = urllib.parse.urlsplit(ENDPOINT)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
    connection.request("GET", f"{BASE_PATH}/")
    return connection.getresponse().status == 403


def client():
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT + BASE_PATH,
        aws_access_key_id=KEYS.access,
        aws_secret_access_key=KEYS.secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def post(url, fields, path, file_name="photo.jpg"):
    """Submits the form: its status, headers and body."""
    words = ["curl", "--silent", "--show-error", "--dump-header", WORK / "post-head", "--output", WORK / "post-body"]
    for name, value in fields.items():
        words += ["--form-string", f"{name}={value}"]
    words += ["--form", f"file=@{path};filename={file_name};type=image/jpeg", "--write-out", "%{http_code}", url]
    status = int(run(*words))
    # What follows 100 Continue counts.
    head = (WORK / "post-head").read_text().replace("\r\n", "\n").strip().split("\n\n")[-1]
    headers = dict(line.split(": ", 1) for line in head.split("\n")[1:] if ": " in line)
    body = WORK / "post-body"
    text = body.read_text() if body.exists() else ""
    body.unlink(missing_ok=True)
    return status, {name.lower(): value for name, value in headers.items()}, text


def code_of(answer):
    status, _, text = answer
    return status, xml.etree.ElementTree.fromstring(text).findtext("Code")


def version_2(conditions, fields):
    """A form signed by hand, as pages of the time before Version 4 do it."""
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    document = {"expiration": until.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "conditions": conditions}
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    signature = base64.b64encode(hmac.new(KEYS.secret.encode(), policy.encode(), hashlib.sha1).digest()).decode()
    return {**fields, "AWSAccessKeyId": KEYS.access, "policy": policy, "signature": signature}


class Session:
    def __init__(self, checks):
        self.checks, self.s3, self.keys = checks, client(), needs_keys()
        self.url = f"{ENDPOINT}{BASE_PATH}/{BUCKET}"

    def stored(self, key, path):
        back = WORK / "post-back"
        self.s3.download_file(BUCKET, key, str(back))
        assert sha256(back) == sha256(path), "other bytes came back"

    def absent(self, key):
        try:
            self.s3.head_object(Bucket=BUCKET, Key=key)
        except ClientError as refusal:
            assert refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 404, refusal
        else:
            raise AssertionError(f"{key} was stored")

    def presigned(self, key, fields=None, conditions=None):
        made = self.s3.generate_presigned_post(BUCKET, key, Fields=fields, Conditions=conditions, ExpiresIn=600)
        return made["url"], made["fields"]

    def version_4(self):
        for size in (0, 1, 5 * MIB + 1):
            with self.checks.check(f"a form of boto3 with {size} bytes"):
                url, fields = self.presigned(f"v4/{size}")
                status, headers, text = post(url, fields, payload(size))
                assert (status, text) == (204, ""), (status, text)
                assert headers["etag"].strip('"') == hashlib.md5(payload(size).read_bytes()).hexdigest()
                self.stored(f"v4/{size}", payload(size))
        with self.checks.check("a form of boto3 with the file's name, metadata and a document for an answer"):
            asked = {"acl": "private", "success_action_status": "201", "x-amz-meta-by": "a browser"}
            conditions = [
                {"acl": "private"},
                {"success_action_status": "201"},
                ["starts-with", "$x-amz-meta-by", "a "],
                ["content-length-range", 1, 100],
            ]
            url, fields = self.presigned("v4/${filename}", asked, conditions)
            status, headers, text = post(url, fields, payload(1), "of-mary.jpg")
            document = xml.etree.ElementTree.fromstring(text)
            assert (status, document.tag, document.findtext("Key")) == (201, "PostResponse", "v4/of-mary.jpg"), text
            assert document.findtext("Location") == headers["location"]
            head = self.s3.head_object(Bucket=BUCKET, Key="v4/of-mary.jpg")
            assert head["Metadata"] == {"by": "a browser"}, head
        with self.checks.check("a form of boto3 that redirects"):
            target = "http://localhost/done"
            url, fields = self.presigned(
                "v4/redirected", {"success_action_redirect": target}, [{"success_action_redirect": target}]
            )
            status, headers, _ = post(url, fields, payload(1))
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)
            assert (status, query["bucket"], query["key"]) == (303, [BUCKET], ["v4/redirected"]), headers

    def version_2(self):
        conditions = [{"bucket": BUCKET}, ["starts-with", "$key", "v2/"], {"acl": "private"}]
        with self.checks.check("a form signed by Version 2"):
            form = version_2(conditions, {"key": "v2/${filename}", "acl": "private"})
            assert post(self.url, form, payload(1))[0] == 204
            self.stored("v2/photo.jpg", payload(1))
        with self.checks.check("a form of Version 2 with a key outside of its policy"):
            form = version_2(conditions, {"key": "elsewhere", "acl": "private"})
            assert code_of(post(self.url, form, payload(1))) == (403, "AccessDenied")
            self.absent("elsewhere")
        if self.keys:
            with self.checks.check("a form of Version 2 with another signature"):
                form = version_2(conditions, {"key": "v2/forged", "acl": "private"})
                form["signature"] = base64.b64encode(bytes(20)).decode()
                assert code_of(post(self.url, form, payload(1))) == (403, "SignatureDoesNotMatch")
                self.absent("v2/forged")

    def refusals(self):
        with self.checks.check("a field that the policy does not name"):
            url, fields = self.presigned("no/field")
            answer = post(url, {**fields, "x-amz-meta-a": "b"}, payload(1))
            assert code_of(answer) == (403, "AccessDenied")
        with self.checks.check("another key"):
            url, fields = self.presigned("no/key")
            assert code_of(post(url, {**fields, "key": "no/other"}, payload(1))) == (403, "AccessDenied")
        with self.checks.check("a file that is too large, and one that is too small"):
            url, fields = self.presigned("no/size", conditions=[["content-length-range", 2, 1000]])
            assert code_of(post(url, fields, payload(5 * MIB))) == (400, "EntityTooLarge")
            assert code_of(post(url, fields, payload(1))) == (400, "EntityTooSmall")
        if self.keys:
            with self.checks.check("another signature, another policy, no signature, an unknown key"):
                url, fields = self.presigned("no/signature")
                forged = {**fields, "x-amz-signature": "0" * 64}
                assert code_of(post(url, forged, payload(1))) == (403, "SignatureDoesNotMatch")
                _, other = self.presigned("no/policy")
                swapped = {**fields, "policy": other["policy"], "key": "no/policy"}
                assert code_of(post(url, swapped, payload(1))) == (403, "SignatureDoesNotMatch")
                unsigned = {name: value for name, value in fields.items() if name != "x-amz-signature"}
                assert post(url, unsigned, payload(1))[0] in (400, 403)
                credential = fields["x-amz-credential"].replace(KEYS.access, "nobody")
                assert post(url, {**fields, "x-amz-credential": credential}, payload(1))[0] == 403
            with self.checks.check("a form that nobody signed"):
                assert code_of(post(self.url, {"key": "no/anonymous"}, payload(1))) == (403, "AccessDenied")
        with self.checks.check("nothing of what was refused is there"):
            assert self.s3.list_objects_v2(Bucket=BUCKET, Prefix="no/")["KeyCount"] == 0


def main():
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    checks = Checks("post")
    session = Session(checks)
    with checks.check("make bucket"):
        session.s3.create_bucket(Bucket=BUCKET)
    if not checks.failed:
        session.version_4()
        session.version_2()
        session.refusals()
        with checks.check("remove bucket"):
            for found in session.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
                session.s3.delete_object(Bucket=BUCKET, Key=found["Key"])
            session.s3.delete_bucket(Bucket=BUCKET)
    checks.done()


if __name__ == "__main__":
    main()
