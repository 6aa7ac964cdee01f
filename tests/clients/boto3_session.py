"""boto3, at the base path, by Signature Version 4 and 2."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from session import ATTEMPTS, BASE_PATH, ENDPOINT, MIB, REGION, finish, many_keys, session


class Boto3:
    def __init__(self, bucket, _scratch, keys, signature_version="s3v4"):
        self.bucket = bucket
        self.s3 = boto3.client(
            "s3",
            endpoint_url=ENDPOINT + BASE_PATH,
            aws_access_key_id=keys.access,
            aws_secret_access_key=keys.secret,
            region_name=REGION,
            config=Config(
                signature_version=signature_version,
                s3={"addressing_style": "path"},
                max_pool_connections=20,
                retries={"total_max_attempts": ATTEMPTS},
            ),
        )

    def make_bucket(self):
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.head_bucket(Bucket=self.bucket)

    def bucket_exists(self):
        return self.bucket in [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]

    def put(self, path, key):
        # Up to 5 MiB + 1 in one PUT; what is larger goes as the library thinks best, in parts.
        if path.stat().st_size <= 5 * MIB + 1:
            with open(path, "rb") as body:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata={"made-by": "boto3"})
            assert self.s3.head_object(Bucket=self.bucket, Key=key)["Metadata"] == {"made-by": "boto3"}
        else:
            self.s3.upload_file(str(path), self.bucket, key)

    def get(self, key, path):
        self.s3.download_file(self.bucket, key, str(path))

    def multipart(self, path):
        key = "multipart"
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
        where = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        parts = []
        with open(path, "rb") as body:
            while piece := body.read(6 * MIB):
                number = len(parts) + 1
                tag = self.s3.upload_part(**where, PartNumber=number, Body=piece)["ETag"]
                parts.append({"PartNumber": number, "ETag": tag})
        listed = self.s3.list_parts(**where)["Parts"]
        assert [(part["PartNumber"], part["ETag"]) for part in listed] == [
            (part["PartNumber"], part["ETag"]) for part in parts
        ]
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]
        assert [(found["Key"], found["UploadId"]) for found in uploads] == [(key, upload)]
        self.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        whole = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        assert whole == path.read_bytes()

        given_up = self.s3.create_multipart_upload(Bucket=self.bucket, Key="given-up")["UploadId"]
        self.s3.upload_part(Bucket=self.bucket, Key="given-up", UploadId=given_up, PartNumber=1, Body=b"x")
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key="given-up", UploadId=given_up)
        assert "Uploads" not in self.s3.list_multipart_uploads(Bucket=self.bucket)
        return key

    def copy(self, source, key):
        self.s3.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source})
        # The same by UploadPartCopy.
        config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
        self.s3.copy({"Bucket": self.bucket, "Key": source}, self.bucket, key, Config=config)

    def get_range(self, key, first, length):
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{first + length - 1}")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        try:
            self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={1 << 40}-")
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == "InvalidRange", refusal
        else:
            raise AssertionError("a range beyond the end was served")
        return answer["Body"].read()

    def put_many(self, root):
        def put(key):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=(root / key).read_bytes())

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(put, many_keys()))

    def list(self, prefix):
        keys = {}
        for operation in ("list_objects", "list_objects_v2"):
            pages = self.s3.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix)
            keys[operation] = [found["Key"] for page in pages for found in page.get("Contents", [])]
        assert keys["list_objects"] == keys["list_objects_v2"]
        return keys["list_objects_v2"]

    def list_folders(self, prefix):
        paginator = self.s3.get_paginator("list_objects_v2")
        pages = paginator.paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": 7}
        )
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]

    def delete(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def delete_all(self):
        keys = self.list("")
        for at in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[at : at + 1000]]
            answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": batch})
            assert len(answer["Deleted"]) == len(batch) and "Errors" not in answer, answer

    def remove_bucket(self):
        self.s3.delete_bucket(Bucket=self.bucket)


if __name__ == "__main__":
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    by_version_2 = functools.partial(Boto3, signature_version="s3")
    finish(session("boto3", Boto3), session("boto3-v2", by_version_2, brief=True))
