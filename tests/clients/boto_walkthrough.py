"""The Python program of Alluxio's S3 client document, step by step, with boto 2.49 and filechunkio on Python 3: with the
empty credentials of the document where the server takes any, else with keys by Signature Version 2, which is boto's
own, and 4."""

import math
import os
import urllib.parse

import boto
import boto.s3.connection
from boto.exception import S3ResponseError
from filechunkio import FileChunkIO

from session import BASE_PATH, ENDPOINT, KEYS, KEYS_ARE_CHECKED, REFUSALS, REGION, WORK, Checks, Keys, finish

MIB = 1 << 20
at = urllib.parse.urlsplit(ENDPOINT)
os.chdir(WORK)
checks = Checks("boto")


def connect(keys, by_version_4=False):
    os.environ.pop("S3_USE_SIGV4", None)
    if by_version_4:
        os.environ["S3_USE_SIGV4"] = "True"
    conn = boto.connect_s3(
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        host=at.hostname,
        port=at.port,
        path=BASE_PATH or "/",
        is_secure=False,
        calling_format=boto.s3.connection.OrdinaryCallingFormat(),
    )
    if by_version_4:
        # It looks for the region in the host's name, and there is none in an address.
        conn.auth_region_name = REGION
    return conn


def walk_through(conn):
    # Create a bucket
    bucketName = "bucket-for-testing"
    bucket = conn.create_bucket(bucketName)

    # Put a small object
    smallObjectKey = "small.txt"
    smallObjectContent = "Hello World!"
    key = bucket.new_key(smallObjectKey)
    key.set_contents_from_string(smallObjectContent)

    # Get it. Python 3 tells text from bytes; the document's Python 2 did not.
    assert smallObjectContent == key.get_contents_as_string().decode()

    # Upload a large object; the document makes the file by `dd if=/dev/zero of=8mb.data bs=1048576 count=8`
    largeObjectKey = "large.txt"
    largeObjectFile = "8mb.data"
    with open(largeObjectFile, "wb") as f:
        f.write(bytes(8 * MIB))
    key = bucket.new_key(largeObjectKey)
    with open(largeObjectFile, "rb") as f:
        key.set_contents_from_file(f)
    with open(largeObjectFile, "rb") as f:
        largeObject = f.read()

    # Get it
    assert largeObject == key.get_contents_as_string()

    # Delete both
    bucket.delete_key(smallObjectKey)
    bucket.delete_key(largeObjectKey)

    # Initiate a multipart upload, upload its parts of 1 MiB
    mp = bucket.initiate_multipart_upload(largeObjectFile)
    sourceSize = os.stat(largeObjectFile).st_size
    chunkSize = 1048576
    chunkCount = int(math.ceil(sourceSize / float(chunkSize)))
    for i in range(chunkCount):
        offset = chunkSize * i
        bytes_ = min(chunkSize, sourceSize - offset)
        with FileChunkIO(largeObjectFile, "r", offset=offset, bytes=bytes_) as fp:
            mp.upload_part_from_file(fp, part_num=i + 1)

    # Complete it
    mp.complete_upload()

    # Abort it: it is complete already, so this changes nothing, and must not fail
    mp.cancel_upload()
    assert largeObject == bucket.get_key(largeObjectFile).get_contents_as_string()

    # Delete the bucket. The document's server let a bucket go with an object in it. S3 refuses that, so the completed
    # object, which the abort above leaves where it is, goes first.
    try:
        conn.delete_bucket(bucketName)
    except S3ResponseError as refusal:
        assert (refusal.status, refusal.error_code) == (409, "BucketNotEmpty"), refusal
    else:
        raise AssertionError("a bucket that holds an object was deleted")
    bucket.delete_key(largeObjectFile)
    conn.delete_bucket(bucketName)
    assert conn.lookup(bucketName) is None


def expect_refusal(conn, code):
    try:
        conn.create_bucket("refused")
    except S3ResponseError as refusal:
        assert (refusal.status, refusal.error_code) == (403, code), refusal
    else:
        raise AssertionError(f"not refused with {code}")


if not KEYS_ARE_CHECKED:
    with checks.check("the document's program, with empty credentials"):
        walk_through(connect(Keys("", "")))
for version in (2, 4):
    with checks.check(f"the document's program, with keys, by Version {version}"):
        walk_through(connect(KEYS, version == 4))
    for what, keys, code in REFUSALS if KEYS_ARE_CHECKED else []:
        with checks.check(f"by Version {version} {what} is refused with {code}"):
            expect_refusal(connect(keys, version == 4), code)
            assert connect(KEYS).lookup("refused") is None, "a refused bucket is there"
finish(checks.done())
