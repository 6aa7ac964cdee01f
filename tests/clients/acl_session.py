"""Access control lists and object ownership: boto3 sets and reads them on S3 at the base path, awscli too, and callers
without keys show whom they let in."""

import contextlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from session import BASE_PATH, ENDPOINT, KEYS, KEYS_ARE_CHECKED, REGION, WORK, Checks, finish, run

AWS = Path(sys.executable).parent / "aws"
BUCKET = "bucket-of-acls"
SCRATCH = WORK / "acl"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
PUBLIC_READ = [("CanonicalUser", "FULL_CONTROL"), (ALL_USERS, "READ")]
PRIVATE = PUBLIC_READ[:1]
BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def make_client():
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT + BASE_PATH,
        aws_access_key_id=KEYS.access,
        aws_secret_access_key=KEYS.secret,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def aws(*words):
    """The answer of `aws s3api`."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": KEYS.access,
        "AWS_SECRET_ACCESS_KEY": KEYS.secret,
        "AWS_CONFIG_FILE": str(SCRATCH / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(SCRATCH / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": REGION,
    }
    said = run(AWS, "--endpoint-url", ENDPOINT + BASE_PATH, "--output", "json", "s3api", *words, env=environment)
    return json.loads(said) if said.strip() else {}


@contextlib.contextmanager
def refused(code):
    try:
        yield
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"it was not refused with {code}")


def anyone(key):
    """The status of a GET without keys."""
    try:
        with urllib.request.urlopen(f"{ENDPOINT}{BASE_PATH}/{BUCKET}/{key}", timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def shown(answer):
    """Grants as pairs of a group's URI, or the kind of what is no group, and a permission."""
    grants = [(grant["Grantee"], grant["Permission"]) for grant in answer["Grants"]]
    return [(grantee.get("URI", grantee["Type"]), permission) for grantee, permission in grants]


def equal(actual, expected):
    assert actual == expected, f"{actual} is not {expected}"


def ownership(s3):
    s3.create_bucket(Bucket=BUCKET)
    rules = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    equal(rules, [{"ObjectOwnership": "BucketOwnerEnforced"}])
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    with refused("AccessControlListNotSupported"):
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"y", ACL="public-read")
    with refused("AccessControlListNotSupported"):
        s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    equal(shown(s3.get_bucket_acl(Bucket=BUCKET)), PRIVATE)
    with refused("InvalidBucketAclWithObjectOwnership"):
        s3.create_bucket(Bucket=f"{BUCKET}-public", ACL="public-read")
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    equal(shown(s3.get_bucket_acl(Bucket=BUCKET)), PUBLIC_READ)
    with refused("InvalidBucketAclWithObjectOwnership"):
        s3.put_bucket_ownership_controls(
            Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
    s3.delete_bucket_ownership_controls(Bucket=BUCKET)
    with refused("OwnershipControlsNotFoundError"):
        s3.get_bucket_ownership_controls(Bucket=BUCKET)


def objects(s3):
    owner = s3.get_bucket_acl(Bucket=BUCKET)["Owner"]["ID"]
    s3.put_object(Bucket=BUCKET, Key="canned", Body=b"x", ACL="public-read")
    s3.put_object(
        Bucket=BUCKET, Key="granted", Body=b"x", GrantRead=f'uri="{ALL_USERS}"', GrantFullControl=f'id="{owner}"'
    )
    for key in ("canned", "granted"):
        equal(shown(s3.get_object_acl(Bucket=BUCKET, Key=key)), PUBLIC_READ)
    got = s3.get_object_acl(Bucket=BUCKET, Key="canned")
    policy = {"Owner": got["Owner"], "Grants": got["Grants"]}
    s3.put_object_acl(Bucket=BUCKET, Key="k", AccessControlPolicy=policy)
    equal(shown(s3.get_object_acl(Bucket=BUCKET, Key="k")), PUBLIC_READ)
    s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="private")
    equal(shown(s3.get_object_acl(Bucket=BUCKET, Key="k")), PRIVATE)
    with refused("UnresolvableGrantByEmailAddress"):
        s3.put_object_acl(Bucket=BUCKET, Key="k", GrantRead="emailAddress=someone@example.com")
    with refused("InvalidArgument"):
        s3.put_object_acl(Bucket=BUCKET, Key="k", GrantRead="id=nobody")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/canned")
    equal(shown(s3.get_object_acl(Bucket=BUCKET, Key="copy")), PRIVATE)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", ACL="public-read")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload=parts)
    equal(shown(s3.get_object_acl(Bucket=BUCKET, Key="parts")), PUBLIC_READ)


def by_awscli(_):
    aws("put-object-acl", "--bucket", BUCKET, "--key", "copy", "--acl", "public-read")
    equal(shown(aws("get-object-acl", "--bucket", BUCKET, "--key", "copy")), PUBLIC_READ)
    aws("put-object-acl", "--bucket", BUCKET, "--key", "copy", "--acl", "private")
    equal(shown(aws("get-bucket-acl", "--bucket", BUCKET)), PUBLIC_READ)
    rules = "Rules=[{ObjectOwnership=BucketOwnerPreferred}]"
    aws("put-bucket-ownership-controls", "--bucket", BUCKET, "--ownership-controls", rules)
    got = aws("get-bucket-ownership-controls", "--bucket", BUCKET)["OwnershipControls"]
    equal(got, {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})


def strangers(s3):
    equal([anyone(key) for key in ("canned", "granted", "parts", "k", "copy")], [200, 200, 200, 403, 403])
    # The bucket's own ACL lets them list it, so they learn what it lacks.
    equal((anyone(""), anyone("absent")), (200, 404))
    block = {name: name == "IgnorePublicAcls" for name in BLOCK}
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=block)
    equal((anyone("canned"), anyone("")), (403, 403))
    block = {name: name == "BlockPublicAcls" for name in BLOCK}
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=block)
    equal(anyone("canned"), 200)
    with refused("AccessDenied"):
        s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="public-read")
    s3.delete_public_access_block(Bucket=BUCKET)


def removal(s3):
    for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    s3.delete_bucket(Bucket=BUCKET)


def main():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    s3, checks = make_client(), Checks("acl")
    steps = [("ownership", ownership), ("ACLs of objects", objects), ("awscli", by_awscli)]
    if KEYS_ARE_CHECKED:
        steps.append(("whom they let in", strangers))
    for what, step in [*steps, ("removal", removal)]:
        with checks.check(what):
            step(s3)
    finish(checks.done())


if __name__ == "__main__":
    main()
