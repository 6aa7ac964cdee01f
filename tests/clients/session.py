"""One session that every client goes through, whatever its language: make a bucket, put, get, multipart, list, copy,
ranged get, delete, remove the bucket; and, where the server checks keys, be refused with others than its own. A client
is a class with a method for each; `session` drives it."""

import contextlib
import functools
import hashlib
import http.client
import os
import subprocess
import sys
import time
import traceback
import urllib.parse
from pathlib import Path
from typing import NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MIB = 1 << 20
SMALL_SIZES = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 64 * MIB]
BIG_SIZES = [1024 * MIB]
FOLDERS, KEYS_PER_FOLDER = 25, 100

ENDPOINT = os.environ["S3_ENDPOINT"]  # http://host:port
BASE_PATH = os.environ.get("S3_BASE_PATH", "")  # /api/v1/s3
WORK = Path(os.environ["S3_WORK"])
SIZES = SMALL_SIZES + (BIG_SIZES if os.environ.get("S3_BIG", "1") != "0" else [])
REGION = "us-east-1"
# How often a request is tried that the server puts off. A server of its own has no reason to.
ATTEMPTS = int(os.environ.get("S3_ATTEMPTS", "1"))


class Keys(NamedTuple):
    access: str
    secret: str


KEYS = Keys(os.environ["S3_ACCESS_KEY"], os.environ["S3_SECRET_KEY"])
# A server without keys takes any.
KEYS_ARE_CHECKED = os.environ.get("S3_OPEN", "0") == "0"
WRONG_SECRET = Keys(KEYS.access, "of-another-key-and-as-long-as-any-other.")
UNKNOWN_KEY = Keys("NOBODYHASTHISKEY0000", KEYS.secret)
# What is tried, and the code that the client reports.
REFUSALS = [
    ("a wrong secret key", WRONG_SECRET, "SignatureDoesNotMatch"),
    ("an unknown access key", UNKNOWN_KEY, "InvalidAccessKeyId"),
]


def run(*command, timeout=300, **options):
    """Runs a command and gives its output; fails with all that it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=timeout, **options)
    if done.returncode != 0:
        said = (done.stdout[-2000:] + done.stderr[-4000:]).decode(errors="replace")
        raise AssertionError(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{said}")
    return done.stdout


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


def payload(size):
    """A file of `size` bytes that no two clients need to make again."""
    path = WORK / "payload" / str(size)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(".making")
        block = hashlib.shake_256(b"weir").digest(MIB)
        with open(making, "wb") as file:
            for number in range(0, size, MIB):
                piece = number.to_bytes(8, "big") + block[8:]
                file.write(piece[: min(MIB, size - number)])
        making.rename(path)
    return path


def many_keys():
    return [f"many/d{folder:02}/k{key:03}" for folder in range(FOLDERS) for key in range(KEYS_PER_FOLDER)]


def many_folder():
    """A folder with a small file for each of `many_keys`."""
    root = WORK / "tree"
    if not (root / "made").exists():
        for key in many_keys():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_text(key)
        (root / "made").touch()
    return root


def ask(method, path):
    """The status and headers of the answer to a request that no client makes, signed by Version 4."""
    request = AWSRequest(method, ENDPOINT + path)
    S3SigV4Auth(Credentials(*KEYS), "s3", REGION).add_auth(request)
    at = urllib.parse.urlsplit(ENDPOINT)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
    connection.request(method, path, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    answer.read()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def head(bucket, key):
    """The headers of an object."""
    status, headers = ask("HEAD", f"{BASE_PATH}/{bucket}/{urllib.parse.quote(key)}")
    assert status == 200, f"HEAD {key}: {status}"
    return headers


class Checks:
    """Counts what passed and what failed."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    @contextlib.contextmanager
    def check(self, what):
        began = time.monotonic()
        try:
            yield
        except Exception:
            self.failed += 1
            print(f"  FAILED {self.name}: {what}\n{traceback.format_exc()}", flush=True)
        else:
            self.passed += 1
            print(f"  ok     {self.name}: {what} ({time.monotonic() - began:.1f} s)", flush=True)

    def done(self):
        """Says so, and whether nothing failed."""
        print(f"{self.name}: {self.passed} passed, {self.failed} failed", flush=True)
        return self.failed == 0


def size_name(size):
    nearest = round(size / MIB)
    rest = size - nearest * MIB
    return f"{size} B" if size < 1024 else f"{nearest} MiB" + (f" {'+' if rest > 0 else '-'} 1 B" if rest else "")


def objects(checks, client, scratch, sizes):
    for size in sizes:
        with checks.check(f"put and get {size_name(size)}"):
            client.put(payload(size), f"objects/{size}")
            back = scratch / f"back-{size}"
            client.get(f"objects/{size}", back)
            assert back.stat().st_size == size, f"{back.stat().st_size} bytes came back"
            assert sha256(back) == sha256(payload(size)), "other bytes came back"
            back.unlink()


def copies(checks, client, scratch):
    with checks.check("copy"):
        for size in (5 * MIB + 1, 64 * MIB):
            client.copy(f"objects/{size}", f"copies/{size}")
            client.get(f"copies/{size}", scratch / "copy")
            assert sha256(scratch / "copy") == sha256(payload(size)), "the copy has other bytes"
    with checks.check("ranged get"):
        whole = payload(64 * MIB).read_bytes()
        first, length = 10 * MIB - 3, 2 * MIB + 7
        assert client.get_range(f"objects/{64 * MIB}", first, length) == whole[first : first + length]


def multipart(checks, client):
    with checks.check("multipart"):
        key = client.multipart(payload(64 * MIB))
        tag = head(client.bucket, key)["etag"]
        assert "-" in tag, f"the ETag {tag} is not that of a multipart object"


def listings(checks, client):
    with checks.check("put 2,500 keys"):
        client.put_many(many_folder())
    with checks.check("list 2,500 keys"):
        keys = client.list("many/")
        assert keys == many_keys(), f"{len(keys)} keys"
    with checks.check("list with a prefix"):
        assert client.list("many/d07/") == [key for key in many_keys() if key.startswith("many/d07/")]
    with checks.check("list with a delimiter"):
        assert client.list_folders("many/") == [f"many/d{folder:02}/" for folder in range(FOLDERS)]


def refusals(checks, client, client_with):
    for what, keys, code in REFUSALS:
        with checks.check(f"{what} is refused with {code}"):
            expect_refusal(client_with(keys), code)
            assert "refused" not in client.list(""), "a refused object is there"


def expect_refusal(client, code):
    """A put by this client fails, and the code is in what it says. One whose `put` would not show the code has an
    `attempt` that does."""
    attempt = getattr(client, "attempt", client.put)
    try:
        attempt(payload(1), "refused")
    except Exception as refusal:
        assert code in str(refusal), f"not {code}: {refusal}"
    else:
        raise AssertionError(f"not refused with {code}")


def session(name, make, brief=False):
    """Takes a client through the session and tells whether all went well. `make(bucket, scratch, keys)` gives the
    client. A brief session leaves out the large objects and the long listings: one has shown them already."""
    checks = Checks(name)
    scratch = WORK / name
    (scratch / "refused").mkdir(parents=True, exist_ok=True)
    bucket = f"bucket-of-{name}"
    client = make(bucket, scratch, KEYS)
    with checks.check("make bucket"):
        client.make_bucket()
    if checks.failed:
        return checks.done()  # without a bucket nothing else can be told
    objects(checks, client, scratch, SMALL_SIZES if brief else SIZES)
    multipart(checks, client)
    copies(checks, client, scratch)
    if not brief:
        listings(checks, client)
    if KEYS_ARE_CHECKED:
        refusals(checks, client, functools.partial(make, bucket, scratch / "refused"))
    with checks.check("delete one object"):
        client.delete("objects/1")
        assert "objects/1" not in client.list("objects/")
    with checks.check("delete all objects"):
        client.delete_all()
        assert client.list("") == []
    with checks.check("remove bucket"):
        client.remove_bucket()
        assert not client.bucket_exists(), "the bucket is still there"
    return checks.done()


def finish(*passed):
    """Ends the process: with 0 if all sessions went well."""
    sys.exit(0 if all(passed) else 1)
