"""Clients that change names of their own, at random, and note what was acknowledged."""

import random
import threading
import time

from expected import ABSENT, digest
from s3 import Client, Lost, Refused

BUCKET = "faults"
KEYS_PER_CLIENT = 24
# Inline, in a segment, in a file of its own.
SIZES = [(0, 200), (4000, 20_000), (60_000, 300_000), (500_000, 2_000_000)]
WEIGHTS = [6, 6, 3, 1]
PART_BYTES = 1 << 20
KINDS = ["put", "delete", "copy", "complete", "bucket"]
# What a cluster that lacks a process answers where it needs it.
UNAVAILABLE = 503
# After such an answer a client takes a breath.
PAUSE_SECONDS = 0.05


def some_bytes(chance):
    low, high = chance.choices(SIZES, WEIGHTS)[0]
    return chance.randbytes(chance.randint(low, high))


class Writer:
    """One client."""

    def __init__(self, expected, ports, number, seed):
        self.expected = expected
        self.client = Client(ports[number % len(ports):] + ports[:number % len(ports)])
        self.chance = random.Random(f"{seed}/{number}")
        self.number = number

    def key(self):
        return f"/{BUCKET}/client-{self.number}/key-{self.chance.randrange(KEYS_PER_CLIENT)}"

    def step(self):
        """One change; raises Lost when no answer came."""
        getattr(self, self.chance.choices(KINDS, [60, 15, 12, 3, 10])[0])()

    def change(self, name, state, call):
        """Leaves alone what is in doubt: what was sent for it may still come to pass, after any later change."""
        if self.expected.is_in_doubt(name):
            time.sleep(PAUSE_SECONDS)
            return
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
            return
        if exists:
            self.change(f"bucket {name}", ABSENT, lambda: self.client.call("DELETE", f"/{name}"))
        else:
            self.change(f"bucket {name}", True, lambda: self.client.call("PUT", f"/{name}"))


class Load:
    """Several writers at the same time, until the store is gone."""

    def __init__(self, expected, ports, seed, clients):
        self.errors = []
        # Answers of 503 once a fault has begun: they are no errors.
        self.unavailable = 0
        self._fault_began = False
        self._has_others = len(ports) > 1
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(Writer(expected, ports, number, seed),), daemon=True)
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def expect_faults(self):
        self._fault_began = True

    def _run(self, writer):
        while not self._stop.is_set():
            try:
                writer.step()
            except Lost as lost:
                if not self._fault_began:
                    self.errors.append(str(lost))
                if not self._has_others:
                    break
                time.sleep(PAUSE_SECONDS)
            except Refused as refused:
                if refused.status == UNAVAILABLE and self._fault_began:
                    self.unavailable += 1
                    time.sleep(PAUSE_SECONDS)
                    continue
                self.errors.append(str(refused))
                if len(self.errors) > 100:
                    break
        writer.client.close()

    def join(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client still waits for an answer"


class Patience:
    """Calls again after an answer of 503, for `seconds` in all: a cluster may need a moment until all its members know
    each other again. `waited_seconds` tells when the last such answer came."""

    def __init__(self, seconds):
        self._began, self._seconds = time.monotonic(), seconds
        self.waited_seconds = 0.0

    def __call__(self, call):
        while True:
            try:
                return call()
            except Refused as refused:
                elapsed = time.monotonic() - self._began
                if refused.status != UNAVAILABLE or elapsed > self._seconds:
                    raise
                self.waited_seconds = elapsed
                time.sleep(PAUSE_SECONDS)


def check(expected, ports, patience):
    """Compares everything with the store's answers; returns the complaints."""
    client = Client(ports)
    complaints = []
    listed = {f"/{BUCKET}/{key}" for key in patience(lambda: client.keys(BUCKET))}
    for name in expected.names():
        try:
            found = patience(lambda: find(client, name))
        except (Lost, Refused) as error:
            complaints.append(f"{name}: {error}")
            continue
        if not name.startswith("bucket ") and (found is ABSENT) == (name in listed):
            complaints.append(f"{name}: the listing and GET disagree")
        complaint = expected.look(name, found)
        if complaint:
            complaints.append(complaint)
    known = set(expected.names())
    complaints += [f"{name}: listed, but nobody wrote it" for name in listed - known]
    client.close()
    return complaints


def check_what_answers(expected, ports):
    """Compares what can be read while a process is gone; returns the complaints, and how many names answered 503."""
    client, complaints, unavailable = Client(ports), [], 0
    for name in expected.names():
        try:
            complaint = expected.look(name, find(client, name))
        except Lost:
            continue
        except Refused as refused:
            unavailable += refused.status == UNAVAILABLE
            complaint = None if refused.status == UNAVAILABLE else f"{name}: {refused}"
        if complaint:
            complaints.append(complaint)
    client.close()
    return complaints, unavailable


def find(client, name):
    if name.startswith("bucket "):
        return client.bucket_exists(name.removeprefix("bucket ")) or ABSENT
    data = client.find(name)
    return ABSENT if data is None else digest(data)
