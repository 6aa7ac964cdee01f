"""s3cmd: by Signature Version 4 at `/`, since it leaves the base path out of what it signs; by Version 2, whose signature
has no base path, at the base path."""

import functools
import urllib.parse

from session import BASE_PATH, ENDPOINT, REGION, finish, run, session


class S3cmd:
    def __init__(self, bucket, scratch, keys, options=(), base_path=""):
        self.bucket, self.scratch, self.options = bucket, scratch, options
        host = urllib.parse.urlsplit(ENDPOINT).netloc + base_path
        self.config = scratch / "s3cfg"
        self.config.write_text(
            f"[default]\naccess_key = {keys.access}\nsecret_key = {keys.secret}\n"
            f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\nbucket_location = {REGION}\n"
            "progress_meter = False\n"
        )

    def s3cmd(self, *words):
        return run("s3cmd", "--config", self.config, *self.options, *words)

    def url(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def make_bucket(self):
        self.s3cmd("mb", self.url())
        self.s3cmd("info", self.url())

    def bucket_exists(self):
        return self.bucket in self.s3cmd("ls").decode()

    def put(self, path, key):
        self.s3cmd("put", path, self.url(key))

    def get(self, key, path):
        self.s3cmd("get", "--force", self.url(key), path)

    def multipart(self, path):
        self.s3cmd("put", "--multipart-chunk-size-mb=5", path, self.url("multipart"))
        self.get("multipart", self.scratch / "multipart")
        assert (self.scratch / "multipart").read_bytes() == path.read_bytes()
        return "multipart"

    def copy(self, source, key):
        self.s3cmd("cp", self.url(source), self.url(key))

    def get_range(self, key, first, length):
        # The tool asks for a range when it continues a file that is there in part.
        whole = self.scratch / "continued"
        self.get(key, whole)
        with open(whole, "r+b") as file:
            file.truncate(first)
        self.s3cmd("get", "--continue", self.url(key), whole)
        with open(whole, "rb") as file:
            file.seek(first)
            return file.read(length)

    def put_many(self, root):
        self.s3cmd("put", "--recursive", f"{root}/many/", self.url("many/"))

    def list(self, prefix):
        lines = self.s3cmd("ls", "--recursive", self.url(prefix)).decode().splitlines()
        return [line.split(self.url(), 1)[1] for line in lines if self.url() in line]

    def list_folders(self, prefix):
        lines = self.s3cmd("ls", self.url(prefix)).decode().splitlines()
        return [line.split(self.url(), 1)[1] for line in lines if " DIR " in line]

    def delete(self, key):
        self.s3cmd("del", self.url(key))

    def delete_all(self):
        self.s3cmd("del", "--recursive", "--force", self.url())

    def remove_bucket(self):
        self.s3cmd("rb", self.url())


if __name__ == "__main__":
    by_version_2 = functools.partial(S3cmd, options=["--signature-v2"], base_path=BASE_PATH)
    finish(session("s3cmd", S3cmd), session("s3cmd-v2", by_version_2, brief=True))
