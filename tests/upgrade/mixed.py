#!/usr/bin/env python3
"""Runs clusters whose processes are of two builds, under load, and checks every read and every acknowledged write.

    mixed.py EARLIER_BINARY BINARY [--seconds N] [--clients N]

First an upgrade in the order that docs/upgrading.md states: the metaserver, the workers one by one, the gateways one by
one, with a while of load at each stage. Then the other way round: an earlier metaserver with later workers and gateways.
Ends with status 1 if a read failed although it was taken again for 15 s, if bytes were wrong, or if an acknowledged write
is not there.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from cluster import Cluster
from expected import ABSENT, Expected, digest
from s3 import Client, Lost, Refused

BUCKET = "upgrade"
KEYS_PER_CLIENT = 40
# With the metadata, in a segment, in a file of its own, in several blocks.
SIZES = [(1, 900), (9_000, 90_000), (300_000, 900_000), (2_000_000, 5_000_000)]
WEIGHTS = [6, 6, 3, 1]
READ_PATIENCE_SECONDS = 15
PAUSE_SECONDS = 0.1


class Tally:
    def __init__(self):
        self.reads = self.writes = self.repeated = self.in_doubt = 0
        self.slowest_read = 0.0
        self.complaints = []


class Session:
    """One client: it changes keys of its own, and reads them."""

    def __init__(self, ports, number, expected, tally):
        self.clients = [Client(port) for port in ports]
        self.at = number % len(ports)
        self.number = number
        self.chance = random.Random(number)
        self.expected = expected
        self.tally = tally

    def key(self):
        return f"/{BUCKET}/client-{self.number}/key-{self.chance.randrange(KEYS_PER_CLIENT)}"

    def step(self):
        choice = self.chance.random()
        if choice < 0.35:
            low, high = self.chance.choices(SIZES, WEIGHTS)[0]
            data, path = self.chance.randbytes(self.chance.randint(low, high)), self.key()
            self.change(path, digest(data), "PUT", data)
        elif choice < 0.42:
            self.change(self.key(), ABSENT, "DELETE", None)
        else:
            self.read(self.key())

    def change(self, path, state, method, data):
        self.expected.begin(path, state)
        try:
            self.clients[self.at].call(method, path, data)
        except (Lost, Refused):
            self.tally.in_doubt += 1
            self.turn()
            time.sleep(PAUSE_SECONDS)
            return
        self.expected.acknowledge(path, state)
        self.tally.writes += 1

    def read(self, path):
        began = time.monotonic()
        while True:
            try:
                data = self.clients[self.at].find(path)
                break
            except (Lost, Refused) as error:
                if time.monotonic() - began > READ_PATIENCE_SECONDS:
                    self.tally.complaints.append(f"{path} could not be read: {error}")
                    return
                self.tally.repeated += 1
                self.turn()
                time.sleep(PAUSE_SECONDS)
        self.tally.reads += 1
        self.tally.slowest_read = max(self.tally.slowest_read, time.monotonic() - began)
        complaint = self.expected.look(path, ABSENT if data is None else digest(data))
        if complaint:
            self.tally.complaints.append(complaint)

    def turn(self):
        self.at = (self.at + 1) % len(self.clients)

    def close(self):
        for client in self.clients:
            client.close()


class Load:
    def __init__(self, ports, expected, clients):
        self.tally = Tally()
        self.stopped = threading.Event()
        sessions = [Session(ports, number, expected, self.tally) for number in range(clients)]
        self.threads = [threading.Thread(target=self.run, args=(session,), daemon=True) for session in sessions]
        for thread in self.threads:
            thread.start()

    def run(self, session):
        while not self.stopped.is_set():
            session.step()
        session.close()

    def end(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)
        return self.tally


def stage(name, cluster, expected, options, act):
    """Load while something is done, and for a while after it."""
    load = Load(cluster.ports(), expected, options.clients)
    time.sleep(1)
    began = time.monotonic()
    act()
    took = time.monotonic() - began
    time.sleep(options.seconds)
    tally = load.end()
    print(f"| {name} | {tally.reads} | {tally.writes} | {tally.repeated}, {len(tally.complaints)} | {tally.in_doubt} "
          f"| {tally.slowest_read:.1f} | {took:.1f} |", flush=True)
    return [f"{name}: {complaint}" for complaint in tally.complaints]


def look_at_all(cluster, expected):
    """Every key, as one that comes after all of it sees it."""
    tally = Tally()
    session = Session(cluster.ports(), 0, expected, tally)
    for path in expected.names():
        session.read(path)
    session.close()
    return tally


def run(title, earlier, stages, binary, options):
    """Goes through the stages, each a name and the processes that another build replaces."""
    folder = tempfile.mkdtemp(prefix="weir-upgrade-")
    cluster, expected = Cluster(folder, earlier), Expected()
    try:
        client = Client(cluster.ports()[0])
        client.call("PUT", f"/{BUCKET}")
        client.close()
        complaints = []
        for name, replaced in [("before", [])] + stages(cluster):
            def act(names=replaced):
                for process in names:
                    cluster.replace(process, binary)
            complaints += stage(f"{title}: {name}", cluster, expected, options, act)
        print_builds(cluster, binary)
        last = look_at_all(cluster, expected)
        complaints += last.complaints
        print(f"\n{title}: {expected.acknowledged} acknowledged changes, {last.reads} names looked at, "
              f"{len(complaints)} complaints\n", flush=True)
        cluster.stop()
        return complaints + cluster.complaints()
    finally:
        for child in [cluster.parent, *cluster.replaced.values()]:
            child.kill()
        shutil.rmtree(folder, ignore_errors=True)


def print_builds(cluster, binary):
    lines = cluster.report(binary).splitlines()
    builds = [line.strip() for line in lines if ", protocol" in line]
    print("\n" + "\n".join(builds), flush=True)


def in_order(cluster):
    stages = [("metaserver", cluster.names("metaserver"))]
    return stages + [(name, [name]) for role in ["worker", "gateway"] for name in cluster.names(role)]


def against_the_order(cluster):
    return [("workers", cluster.names("worker")), ("gateways", cluster.names("gateway"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier")
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--clients", type=int, default=6)
    options = parser.parse_args()
    print("| stage | reads | writes | reads taken again, failed | changes without answer | slowest read, s | replaced in, s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    complaints = run("in order", options.earlier, in_order, options.binary, options)
    complaints += run("against the order", options.earlier, against_the_order, options.binary, options)
    for complaint in complaints[:20]:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
