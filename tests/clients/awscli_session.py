"""awscli: its high-level commands `aws s3` and some of `aws s3api`, at the base path."""

import json
import os
import sys
from pathlib import Path

from session import ATTEMPTS, BASE_PATH, ENDPOINT, MIB, REGION, finish, run, session

AWS = Path(sys.executable).parent / "aws"


class AwsCli:
    def __init__(self, bucket, scratch, keys):
        self.bucket, self.scratch = bucket, scratch
        config = scratch / "config"
        config.write_text(f"[default]\nregion = {REGION}\ns3 =\n  addressing_style = path\n")
        self.environment = os.environ | dict(
            AWS_ACCESS_KEY_ID=keys.access,
            AWS_SECRET_ACCESS_KEY=keys.secret,
            AWS_CONFIG_FILE=str(config),
            AWS_SHARED_CREDENTIALS_FILE=str(scratch / "none"),
            AWS_EC2_METADATA_DISABLED="true",
            AWS_MAX_ATTEMPTS=str(ATTEMPTS),
        )

    def aws(self, *words):
        return run(AWS, "--endpoint-url", ENDPOINT + BASE_PATH, "--output", "json", *words, env=self.environment)

    def api(self, operation, *words):
        out = self.aws("s3api", operation, "--bucket", self.bucket, *words)
        return json.loads(out) if out.strip() else {}

    def url(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self):
        self.aws("s3", "mb", self.url())
        self.api("head-bucket")

    def bucket_exists(self):
        return self.bucket in self.aws("s3", "ls").decode()

    def put(self, path, key):
        self.aws("s3", "cp", "--only-show-errors", path, self.url(key))

    def get(self, key, path):
        self.aws("s3", "cp", "--only-show-errors", self.url(key), path)

    def multipart(self, path):
        key = "multipart"
        upload = self.api("create-multipart-upload", "--key", key)["UploadId"]
        where = ["--key", key, "--upload-id", upload]
        parts, piece_path = [], self.scratch / "piece"
        with open(path, "rb") as body:
            while piece := body.read(32 * MIB):
                piece_path.write_bytes(piece)
                number = len(parts) + 1
                made = self.api("upload-part", *where, "--part-number", str(number), "--body", piece_path)
                parts.append({"PartNumber": number, "ETag": made["ETag"]})
        assert len(self.api("list-parts", *where)["Parts"]) == len(parts)
        self.api("complete-multipart-upload", *where, "--multipart-upload", json.dumps({"Parts": parts}))
        return key

    def copy(self, source, key):
        # Above 8 MiB the tool copies by UploadPartCopy.
        self.aws("s3", "cp", "--only-show-errors", self.url(source), self.url(key))

    def get_range(self, key, first, length):
        out = self.scratch / "range"
        self.api("get-object", "--key", key, "--range", f"bytes={first}-{first + length - 1}", out)
        return out.read_bytes()

    def put_many(self, root):
        self.aws("s3", "cp", "--only-show-errors", "--recursive", root / "many", self.url("many/"))

    def list(self, prefix):
        listed = self.api("list-objects-v2", "--prefix", prefix, "--query", "Contents[].Key")
        # The plain listing shows the same, size and time before the name.
        lines = self.aws("s3", "ls", "--recursive", self.url(prefix)).decode().splitlines() if listed else []
        assert [line.split(None, 3)[3] for line in lines] == (listed or [])
        return listed or []

    def list_folders(self, prefix):
        lines = self.aws("s3", "ls", self.url(prefix)).decode().splitlines()
        return [prefix + line.split("PRE ")[1] for line in lines if "PRE " in line]

    def delete(self, key):
        self.aws("s3", "rm", self.url(key))

    def delete_all(self):
        self.aws("s3", "rm", "--recursive", "--only-show-errors", self.url())

    def remove_bucket(self):
        self.aws("s3", "rb", self.url())


if __name__ == "__main__":
    finish(session("awscli", AwsCli))
