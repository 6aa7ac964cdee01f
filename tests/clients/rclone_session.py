"""rclone, at the base path, by Signature Version 4 and 2."""

import functools
import json

from session import BASE_PATH, ENDPOINT, REGION, finish, run, session


class Rclone:
    def __init__(self, bucket, scratch, keys, v2_auth="false"):
        self.bucket, self.scratch = bucket, scratch
        self.config = scratch / "rclone.conf"
        self.config.write_text(
            f"[weir]\ntype = s3\nprovider = Other\naccess_key_id = {keys.access}\nsecret_access_key = {keys.secret}\n"
            f"endpoint = {ENDPOINT}{BASE_PATH}\nforce_path_style = true\nregion = {REGION}\nv2_auth = {v2_auth}\n"
        )

    def rclone(self, *words):
        return run("rclone", "--config", self.config, "--retries=1", "--low-level-retries=1", *words)

    def at(self, key=""):
        return f"weir:{self.bucket}/{key}"

    def make_bucket(self):
        self.rclone("mkdir", self.at())

    def bucket_exists(self):
        return self.bucket in self.rclone("lsd", "weir:").decode()

    def put(self, path, key):
        self.rclone("copyto", path, self.at(key))

    def attempt(self, path, key):
        # It would look first, by a HEAD, whose answer has no code.
        self.rclone("copyto", "--no-check-dest", path, self.at(key))

    def get(self, key, path):
        self.rclone("copyto", self.at(key), path)

    def multipart(self, path):
        self.rclone("copyto", "--s3-upload-cutoff=5M", "--s3-chunk-size=5M", path, self.at("multipart"))
        self.get("multipart", self.scratch / "multipart")
        assert (self.scratch / "multipart").read_bytes() == path.read_bytes()
        return "multipart"

    def copy(self, source, key):
        # Once whole, once by UploadPartCopy.
        self.rclone("copyto", self.at(source), self.at(key))
        self.rclone("copyto", "--s3-copy-cutoff=6M", "--ignore-times", self.at(source), self.at(key))

    def get_range(self, key, first, length):
        return self.rclone("cat", f"--offset={first}", f"--count={length}", self.at(key))

    def put_many(self, root):
        self.rclone("copy", "--transfers=16", root / "many", self.at("many"))
        self.rclone("check", "--size-only", root / "many", self.at("many"))

    def list(self, prefix):
        listed = json.loads(self.rclone("lsjson", "--recursive", "--files-only", "--fast-list", self.at(prefix)))
        return sorted(prefix + entry["Path"] for entry in listed)

    def list_folders(self, prefix):
        listed = json.loads(self.rclone("lsjson", "--dirs-only", self.at(prefix)))
        return sorted(f"{prefix}{entry['Path']}/" for entry in listed)

    def delete(self, key):
        self.rclone("deletefile", self.at(key))

    def delete_all(self):
        self.rclone("delete", "--checkers=16", self.at())

    def remove_bucket(self):
        self.rclone("rmdir", self.at())


if __name__ == "__main__":
    by_version_2 = functools.partial(Rclone, v2_auth="true")
    finish(session("rclone", Rclone), session("rclone-v2", by_version_2, brief=True))
