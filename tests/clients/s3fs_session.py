"""s3fs: a bucket mounted as a file system. It can't use an endpoint with a path, so this one is at `/`."""

import os
import shutil
import time

from session import ENDPOINT, ask, finish, many_keys, run, session


class S3fs:
    def __init__(self, bucket, scratch, keys):
        self.bucket, self.scratch = bucket, scratch
        self.mount = scratch / "mount"
        self.mount.mkdir(exist_ok=True)
        self.password = scratch / "passwd"
        self.password.write_text(f"{keys.access}:{keys.secret}\n")
        self.password.chmod(0o600)

    def ask(self, method):
        """The tool makes and removes no buckets."""
        status, _headers = ask(method, f"/{self.bucket}")
        return status

    def s3fs(self, *words, **options):
        # Without sigv4 the tool would try Version 2 after it: it must not need to.
        return run(
            "s3fs", self.bucket, self.mount, *words,
            "-o", f"url={ENDPOINT}", "-o", "use_path_request_style", "-o", "sigv4", "-o", f"passwd_file={self.password}",
            "-o", "multipart_size=10", "-o", "parallel_count=4", "-o", "retries=1", "-o", "stat_cache_expire=1",
            **options,
        )  # fmt: skip

    def make_bucket(self):
        assert self.ask("PUT") == 200
        self.s3fs("-o", f"logfile={self.scratch / 'log'}")
        for _ in range(100):
            if os.path.ismount(self.mount):
                return
            time.sleep(0.1)
        raise AssertionError((self.scratch / "log").read_text())

    def bucket_exists(self):
        return self.ask("HEAD") == 200

    def put(self, path, key):
        (self.mount / key).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, self.mount / key)

    def attempt(self, _path, _key):
        # It looks at the bucket before it mounts it. In the foreground it says what came, and ends, with 0.
        raise AssertionError(self.s3fs("-f", "-o", "dbglevel=err", timeout=30).decode())

    def get(self, key, path):
        shutil.copyfile(self.mount / key, path)

    def multipart(self, path):
        # Above 10 MiB the tool writes by multipart uploads.
        shutil.copyfile(path, self.mount / "multipart")
        assert (self.mount / "multipart").read_bytes() == path.read_bytes()
        return "multipart"

    def copy(self, source, key):
        # A rename is the tool's server-side copy.
        (self.mount / key).parent.mkdir(exist_ok=True)
        shutil.copyfile(self.mount / source, self.mount / "moving")
        os.rename(self.mount / "moving", self.mount / key)

    def get_range(self, key, first, length):
        with open(self.mount / key, "rb") as file:
            file.seek(first)
            return file.read(length)

    def put_many(self, root):
        folders = sorted({key.rsplit("/", 1)[0] for key in many_keys()})
        (self.mount / "many").mkdir()
        for folder in folders:
            (self.mount / folder).mkdir()
        for key in many_keys():
            shutil.copyfile(root / key, self.mount / key)

    def list(self, prefix):
        found = []
        for folder, _, names in os.walk(self.mount / prefix):
            found.extend(os.path.relpath(os.path.join(folder, name), self.mount) for name in names)
        return sorted(found)

    def list_folders(self, prefix):
        return sorted(f"{prefix}{entry.name}/" for entry in os.scandir(self.mount / prefix) if entry.is_dir())

    def delete(self, key):
        (self.mount / key).unlink()

    def delete_all(self):
        for entry in os.scandir(self.mount):
            shutil.rmtree(entry) if entry.is_dir() else os.unlink(entry)

    def remove_bucket(self):
        run("fusermount", "-u", self.mount)
        assert self.ask("DELETE") == 204


if __name__ == "__main__":
    finish(session("s3fs", S3fs))
