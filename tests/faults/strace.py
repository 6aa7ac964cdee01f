"""System calls of a process as strace wrote them down, and whether what was written is durable at some moment."""

import os
import re

# -D: the process stays a child of ours. -y: paths beside file descriptors. -T: how long each call took.
CALLS = ("openat,mkdir,mkdirat,rename,renameat,renameat2,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,"
         "fsync,fdatasync")
# Of a buffer so many bytes are written down: a commit's names lie among the first.
SHOWN_BYTES = 4096
WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg"}
RENAMES = {"rename", "renameat", "renameat2"}

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
RESULT = re.compile(r"\) += (-?\d+|\?)(.*?)(?: <(\d+\.\d+)>)?$")
DESCRIPTOR = re.compile(r"^\w+\(\d+<([^>]*)>")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def command(path):
    """Runs a command under strace, into the file at `path`."""
    return ["strace", "-D", "-f", "--seccomp-bpf", "-ttt", "-T", "-y", "-s", str(SHOWN_BYTES), "-e", f"trace={CALLS}",
            "-o", path]


class Call:
    """One system call. Times are seconds since 1970."""

    def __init__(self, begin_seconds, text):
        self.begin, self.end, self.text = begin_seconds, None, text
        self.name = text.split("(", 1)[0]
        self.result = None

    def close(self, end_seconds, result):
        self.end, self.result = end_seconds, result

    @property
    def path(self):
        """What the descriptor that it begins with is open on."""
        found = DESCRIPTOR.match(self.text)
        return found.group(1) if found else ""

    def names(self):
        return QUOTED.findall(self.text)


def read(path):
    """The calls in a trace that have ended, in the order in which they began."""
    calls, open_calls = [], {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            thread, seconds, text = found.group(1), float(found.group(2)), found.group(3)
            resumed = RESUMED.match(text)
            if resumed:
                call = open_calls.pop(thread, None)
                if call is None:
                    continue
                call.text += resumed.group(2)
            elif "(" in text and not text.startswith(("---", "+++")):
                call = Call(seconds, text.removesuffix(" <unfinished ...>"))
                calls.append(call)
                if text.endswith("<unfinished ...>"):
                    open_calls[thread] = call
                    continue
            else:
                continue
            result = RESULT.search(call.text)
            if result and result.group(1) != "?":
                # An unfinished call ended when it was resumed at the latest.
                took = float(result.group(3) or 0)
                call.close(seconds if resumed else call.begin + took, int(result.group(1)))
    return [call for call in calls if call.result is not None and call.result >= 0]


class File:
    """A file, or a folder, as far as one trace tells. `named` is when it got its present name, None: before."""

    def __init__(self):
        self.writes, self.syncs, self.named, self.is_synchronous = [], [], None, False


class Files:
    """What a process did to its files. They are known by their paths; a rename takes them along."""

    def __init__(self, calls):
        self._files = {}
        for call in calls:
            self._take(call)

    def _file(self, path):
        return self._files.setdefault(os.path.normpath(path), File())

    def _take(self, call):
        if call.name in WRITES:
            self._file(call.path).writes.append(call)
        elif call.name in ("fsync", "fdatasync"):
            self._file(call.path).syncs.append(call)
        elif call.name == "openat" and call.names():
            file = self._file(call.names()[0])
            if "O_CREAT" in call.text:
                file.named = call.end
            file.is_synchronous |= "O_DSYNC" in call.text or "O_SYNC" in call.text
        elif call.name in ("mkdir", "mkdirat") and call.names():
            self._file(call.names()[0]).named = call.end
        elif call.name in RENAMES and len(call.names()) == 2:
            source, target = call.names()
            file = self._files.pop(os.path.normpath(source), File())
            file.named = call.end
            self._files[os.path.normpath(target)] = file

    def written(self, folder, begin, end):
        """Files under a folder with the writes that began in that time: (path, file, writes)."""
        for path, file in sorted(self._files.items()):
            writes = [write for write in file.writes if begin <= write.begin < end]
            if writes and path.startswith(folder.rstrip("/") + "/"):
                yield path, file, writes

    def doubts(self, path, file, writes, root, moment):
        """Why these writes, or the names that lead to them from `root`, may not be durable at a moment."""
        last = max(write.end for write in writes)
        if not file.is_synchronous and not self._is_synced(file, last, moment):
            yield f"{path} is written and not synced before the answer"
        while path != root:
            folder, named = os.path.dirname(path), self._file(path).named
            if named is not None and named < moment and not self._is_synced(self._file(folder), named, moment):
                yield f"{path} is a new name, and {folder} is not synced before the answer"
            path = folder

    @staticmethod
    def _is_synced(file, after, before):
        return any(after <= sync.begin and sync.end <= before for sync in file.syncs)
