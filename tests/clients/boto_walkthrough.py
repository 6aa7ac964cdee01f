"""The Python program of Alluxio's S3 client document, step by step, with boto 2.49 and filechunkio on Python 3."""

import math
import os
import urllib.parse

import boto
import boto.s3.connection
from boto.exception import S3ResponseError
from filechunkio import FileChunkIO

from session import BASE_PATH, ENDPOINT, WORK, Checks

MIB = 1 << 20
at = urllib.parse.urlsplit(ENDPOINT)
os.chdir(WORK)
checks = Checks("boto")


def walk_through(access_key, secret_key):
    conn = boto.connect_s3(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        host=at.hostname,
        port=at.port,
        path=BASE_PATH or "/",
        is_secure=False,
        calling_format=boto.s3.connection.OrdinaryCallingFormat(),
    )

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


with checks.check("the document's program, with empty credentials"):
    walk_through("", "")
with checks.check("the document's program, with credentials"):
    walk_through("weirtestkey", "weirtestsecret")
checks.done()
