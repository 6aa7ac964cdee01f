"""curl, which signs by Signature Version 4 itself."""

import hashlib

from session import (
    BASE_PATH, ENDPOINT, KEYS, KEYS_ARE_CHECKED, REFUSALS, REGION, WORK, Checks, finish
)  # fmt: skip
from curl import curl, expect

BUCKET = f"{ENDPOINT}{BASE_PATH}/bucket-of-curl"
BODY = b"what curl puts there"
checks = Checks("curl")
(WORK / "curl").mkdir(parents=True, exist_ok=True)
body_path = WORK / "curl" / "body"
body_path.write_bytes(BODY)


def sha256_header(body):
    """curl signs this header as it is given and adds none of its own."""
    return ["--header", f"x-amz-content-sha256: {hashlib.sha256(body).hexdigest()}"]


def signed(url, *words, keys=KEYS, body=b""):
    signing = ["--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{keys.access}:{keys.secret}"]
    return curl(url, *signing, *sha256_header(body), *words)


def put(url, **options):
    return signed(url, "--upload-file", body_path, **options)


with checks.check("make bucket"):
    assert signed(BUCKET, "--request", "PUT") == (200, b"")
with checks.check("put, head and get"):
    assert put(f"{BUCKET}/k", body=BODY) == (200, b"")
    assert signed(f"{BUCKET}/k", "--head")[0] == 200
    assert signed(f"{BUCKET}/k") == (200, BODY)
with checks.check("put a body that is not signed"):
    unsigned = ["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--upload-file", body_path]
    signing = ["--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{KEYS.access}:{KEYS.secret}"]
    assert curl(f"{BUCKET}/unsigned", *signing, *unsigned) == (200, b"")
with checks.check("list"):
    status, listing = signed(f"{BUCKET}?list-type=2&prefix=k")
    assert status == 200 and b"<Key>k</Key>" in listing and b"unsigned" not in listing, listing
with checks.check("a body that is not the one of the hash"):
    expect(put(f"{BUCKET}/other", body=b"another body"), 400, "XAmzContentSHA256Mismatch")
if KEYS_ARE_CHECKED:
    with checks.check("no credentials"):
        expect(curl(f"{BUCKET}/other", "--upload-file", body_path), 403, "AccessDenied")
        expect(curl(f"{BUCKET}/k"), 403, "AccessDenied")
        expect(curl(BUCKET), 403, "AccessDenied")
    for what, keys, code in REFUSALS:
        with checks.check(f"{what} is refused with {code}"):
            expect(put(f"{BUCKET}/other", body=BODY, keys=keys), 403, code)
with checks.check("nothing that was refused is there"):
    expect(signed(f"{BUCKET}/other"), 404, "NoSuchKey")
with checks.check("delete, and remove bucket"):
    for key in ("k", "unsigned"):
        assert signed(f"{BUCKET}/{key}", "--request", "DELETE") == (204, b"")
    assert signed(BUCKET, "--request", "DELETE") == (204, b"")
finish(checks.done())
