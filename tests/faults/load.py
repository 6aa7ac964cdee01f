"""Clients that change names of their own, at random, and note what was acknowledged."""

import random
import threading

from expected import ABSENT, digest
from s3 import Client, Lost, Refused

BUCKET = "faults"
KEYS_PER_CLIENT = 24
# Inline, in a segment, in a file of its own.
SIZES = [(0, 200), (4000, 20_000), (60_000, 300_000), (500_000, 2_000_000)]
WEIGHTS = [6, 6, 3, 1]
PART_BYTES = 1 << 20
KINDS = ["put", "delete", "copy", "complete", "bucket"]


def some_bytes(chance):
    low, high = chance.choices(SIZES, WEIGHTS)[0]
    return chance.randbytes(chance.randint(low, high))


class Writer:
    """One client. `kind` fixes what it does; otherwise it chooses."""

    def __init__(self, expected, port, number, seed):
        self.expected = expected
        self.client = Client(port)
        self.chance = random.Random(f"{seed}/{number}")
        self.number = number

    def key(self):
        return f"/{BUCKET}/client-{self.number}/key-{self.chance.randrange(KEYS_PER_CLIENT)}"

    def step(self, kind=None):
        """One change; raises Lost when no answer came."""
        kind = kind or self.chance.choices(KINDS, [60, 15, 12, 3, 10])[0]
        getattr(self, kind)()

    def change(self, name, state, call):
        self.expected.begin(name, state)
        try:
            call()
        except Refused as refused:
            if refused.status < 500:
                self.expected.refuse(name, state)
            raise
        self.expected.acknowledge(name, state)

    def put(self, path=None):
        path, data = path or self.key(), some_bytes(self.chance)
        self.change(path, digest(data), lambda: self.client.call("PUT", path, data))
        return path

    def delete(self, path=None):
        path = path or self.key()
        self.change(path, ABSENT, lambda: self.client.call("DELETE", path))

    def copy(self, source=None):
        source, target = source or self.key(), self.key()
        try:
            state = self.expected.settled(source)
        except KeyError:
            return
        if state is ABSENT or source == target:
            return
        self.change(target, state, lambda: self.client.call("PUT", target, b"", {"x-amz-copy-source": source}))

    def complete(self):
        path = self.key()
        parts = [self.chance.randbytes(PART_BYTES), self.chance.randbytes(self.chance.randint(1, 50_000))]
        where, document = self.client.begin_multipart(path, parts)
        self.change(path, digest(b"".join(parts)), lambda: self.client.call("POST", where, document))

    def bucket(self):
        name = f"client-{self.number}-bucket-{self.chance.randrange(6)}"
        try:
            exists = self.expected.settled(f"bucket {name}")
        except KeyError:
            exists = self.client.bucket_exists(name) or ABSENT
            self.expected.look(f"bucket {name}", exists)
        if exists:
            self.change(f"bucket {name}", ABSENT, lambda: self.client.call("DELETE", f"/{name}"))
        else:
            self.change(f"bucket {name}", True, lambda: self.client.call("PUT", f"/{name}"))


class Load:
    """Several writers at the same time, until the server is gone."""

    def __init__(self, expected, port, seed, clients):
        self.errors = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(Writer(expected, port, number, seed),), daemon=True)
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, writer):
        while not self._stop.is_set():
            try:
                writer.step()
            except Lost:
                return
            except Refused as refused:
                self.errors.append(str(refused))
                if len(self.errors) > 100:
                    return
            finally:
                if self._stop.is_set():
                    writer.client.close()

    def join(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client still waits for an answer"


def check(expected, port):
    """Compares everything with the server's answers; returns the complaints."""
    client = Client(port)
    complaints = []
    listed = {f"/{BUCKET}/{key}" for key in client.keys(BUCKET)}
    for name in expected.names():
        try:
            if name.startswith("bucket "):
                found = client.bucket_exists(name.removeprefix("bucket ")) or ABSENT
            else:
                data = client.find(name)
                found = ABSENT if data is None else digest(data)
                if (found is ABSENT) == (name in listed):
                    complaints.append(f"{name}: the listing and GET disagree")
        except (Lost, Refused) as error:
            complaints.append(f"{name}: {error}")
            continue
        complaint = expected.look(name, found)
        if complaint:
            complaints.append(complaint)
    known = set(expected.names())
    complaints += [f"{name}: listed, but nobody wrote it" for name in listed - known]
    client.close()
    return complaints
