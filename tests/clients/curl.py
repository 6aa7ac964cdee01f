"""curl, and what its answers must be."""

import re

from session import WORK, run


def curl(url, *words):
    """The status of the answer, and its body."""
    out = WORK / "curl-answer"
    out.unlink(missing_ok=True)
    options = ["--silent", "--show-error", "--globoff", "--output", out, "--write-out", "%{http_code}"]
    status = run("curl", *options, *words, url)
    return int(status), out.read_bytes() if out.exists() else b""


def expect(answer, status, code):
    """The answer is this error."""
    found = re.search(rb"<Code>(\w+)</Code>", answer[1])
    found = found and found[1].decode()
    assert (answer[0], found) == (status, code), f"not {status} {code}: {answer}"
