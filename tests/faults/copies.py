"""Whether every block has all the copies that it should have, as `weir fsadmin report` says."""

import re
import time

RETURN_SECONDS = 60.0


def await_copies(store):
    """Waits until a look at all blocks that began after this call finds all their copies; returns a complaint or
    None."""
    until, looks = time.monotonic() + RETURN_SECONDS, []
    while True:
        report = store.shell("report")
        looks += [look for look in re.findall(r"as of (.*):", report) if look not in looks]
        blocks, whole = (number(report, name) for name in ("Blocks", "Blocks With All Copies"))
        # The first may have been before, and the second under way.
        if len(looks) > 2 and blocks == whole:
            return None
        if time.monotonic() > until:
            return f"{blocks - whole} of {blocks} blocks lack copies after {RETURN_SECONDS:.0f} s:\n{report}"
        time.sleep(0.2)


def number(report, name):
    return int(re.search(rf"^ *{name}: (\d+)", report, re.MULTILINE).group(1))
