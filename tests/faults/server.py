"""Starts and ends real processes of Weir: a standalone, or the roles of a cluster on this machine."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import time

from s3 import Client, Lost, Refused

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What may be killed, cut off or filled. "all" is all processes at one moment.
ROLES = ["standalone", "metaserver", "worker", "gateway", "all"]
WORKERS, GATEWAYS = 3, 2
FIRST_PORT, PORT_COUNT = 10_000, 18_000
HELD_PORTS = []

# Small files, so that a short run sees segments seal, checkpoints and compaction, and fits a small image; and short
# times, so that it sees workers lost and sessions end.
SMALL = {
    "WEIR_METASERVER_JOURNAL_SEGMENT_BYTES": "4194304",
    "WEIR_METASERVER_CHECKPOINT_JOURNAL_BYTES": "8388608",
    "WEIR_METASERVER_RESERVE_BYTES": "16777216",
    "WEIR_METASERVER_HEARTBEAT_INTERVAL_MS": "200",
    "WEIR_METASERVER_SESSION_LEASE_MS": "3000",
    "WEIR_METASERVER_WORKER_TIMEOUT_MS": "2000",
    "WEIR_METASERVER_REPAIR_DELAY_MS": "2000",
    "WEIR_METASERVER_REPAIR_SCAN_INTERVAL_MS": "2000",
    "WEIR_WORKER_SEGMENT_BYTES": "8388608",
    "WEIR_WORKER_RESERVE_BYTES": "16777216",
    "WEIR_WORKER_COMPACTION_INTERVAL_MS": "2000",
    "WEIR_LOG": "warn",
}


def binary():
    """WEIR_BIN, or the release build, made when it is missing."""
    path = os.environ.get("WEIR_BIN")
    if path:
        return path
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "weir-cli"], cwd=ROOT, check=True)
    return os.path.join(target, "release", "weir")


def hold_port():
    """A port that nobody has, below those that the system gives to clients: a member that is down for a moment finds its
    own free again. It is held until this process ends, by a socket that does not listen: a member may listen there, and
    nobody else who looks for a port takes it."""
    start = secrets.randbelow(PORT_COUNT)
    for step in range(PORT_COUNT):
        port = FIRST_PORT + (start + step) % PORT_COUNT
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        # Only now: with it, two holders could have the same.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        HELD_PORTS.append(holder)
        return port
    raise RuntimeError(f"no port is free from {FIRST_PORT} on")


class Member:
    """One process and all that is needed to start it again. `data` is its folder, None for a gateway."""

    def __init__(self, role, number, data, log, environment, wrapper=()):
        self.role, self.data, self.log, self.environment, self.wrapper = role, data, log, environment, list(wrapper)
        self.name = role if role == "standalone" else f"{role}-{number}"
        self.port, self.admin_port = hold_port(), hold_port()
        self.process = None

    def spawn(self, weir, metaserver_port):
        command = [weir, self.role, "--listen", f"127.0.0.1:{self.port}"]
        command += ["--admin-listen", f"127.0.0.1:{self.admin_port}"]
        if self.data:
            command += ["--data", self.data]
        if self.role in ("worker", "gateway"):
            command += ["--metaserver", f"127.0.0.1:{metaserver_port}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.wrapper + command, stdout=log, stderr=log, env=dict(os.environ, **self.environment), cwd="/")

    def is_ready(self):
        """Whether it says so; raises RuntimeError when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def last_words(self):
        """The end of its log."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return " / ".join(log.read().splitlines()[-3:])

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def await_stop(self):
        """Returns when no thread runs any more: one that does would still answer, of what the cut does to it. A
        thread in the middle of a write stops at its end."""
        tasks = f"/proc/{self.process.pid}/task"
        until = time.monotonic() + 5
        while any(self._runs(f"{tasks}/{task}/stat") for task in os.listdir(tasks)) and time.monotonic() < until:
            time.sleep(0.001)

    @staticmethod
    def _runs(stat):
        try:
            with open(stat) as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "R"
        except OSError:
            return False

    def is_alive(self):
        return self.process is not None and self.process.poll() is None


class Store:
    """A standalone, or a cluster of one metaserver, three workers and two gateways.

    `data_of` gives the folder of a member by its name, `wrapper_of` what its command is to be run by."""

    def __init__(self, members, folder, weir, secret):
        self.members, self.folder, self.weir, self._secret = members, folder, weir, secret

    @staticmethod
    def make(role, folder, weir, data_of, environment=None, wrapper_of=lambda name: (), workers=WORKERS):
        secret = secrets.token_hex(32)
        environment = {**SMALL, "WEIR_CLUSTER_SECRET": secret, **(environment or {})}
        counts = {"metaserver": 1, "worker": workers, "gateway": GATEWAYS}
        if role == "standalone":
            counts = {"standalone": 1}
        members = []
        for kind, count in counts.items():
            for number in range(1, count + 1):
                name = kind if kind == "standalone" else f"{kind}-{number}"
                data = None if kind == "gateway" else data_of(name)
                log = os.path.join(folder, f"{name}.log")
                members.append(Member(kind, number, data, log, environment, wrapper_of(name)))
        return Store(members, folder, weir, secret)

    def of_role(self, role):
        return [member for member in self.members if role in (member.role, "all")]

    @property
    def fronts(self):
        """Those that serve S3."""
        return [member for member in self.members if member.role in ("standalone", "gateway")]

    @property
    def ports(self):
        return [member.port for member in self.fronts]

    def start(self, members=None, limit_seconds=30):
        """Starts them. Returns after how many seconds they were ready, and all that were ever started answered S3."""
        members = self.members if members is None else members
        began = time.monotonic()
        metaserver = next((member.port for member in self.members if member.role == "metaserver"), None)
        for member in members:
            member.spawn(self.weir, metaserver)
        try:
            for member in members:
                self._wait(began + limit_seconds, member.is_ready, f"{member.name} is not ready")
            for member in self.fronts:
                if member.process:
                    self._wait(began + limit_seconds, lambda: self._serves(member.port), "S3 is not answered")
            if any(member.role in ("metaserver", "worker") for member in members):
                self._wait(began + limit_seconds, self._knows_workers, "a worker is not known to the metaserver")
        except BaseException:
            self.kill(members)
            raise
        return time.monotonic() - began

    @staticmethod
    def _wait(until, is_so, complaint):
        while not is_so():
            if time.monotonic() > until:
                raise RuntimeError(complaint)
            time.sleep(0.02)

    def _knows_workers(self):
        alive = sum(worker.is_alive() for worker in self.of_role("worker"))
        return f"Live Workers: {alive}\n" in self.shell("report")

    @staticmethod
    def _serves(port):
        client = Client([port])
        try:
            client.call("GET", "/")
            return True
        except (Lost, Refused):
            return False
        finally:
            client.close()

    def freeze(self, members):
        """None of them does anything any more when this returns."""
        for member in members:
            member.stop()
        for member in members:
            member.await_stop()

    def kill(self, members=None):
        alive = [member for member in (self.members if members is None else members) if member.is_alive()]
        for member in alive:
            member.process.kill()
        for member in alive:
            member.process.wait()

    def shell(self, *command):
        """What `weir fsadmin` says to the store."""
        where = ["--data", self.members[0].data]
        if self.members[0].role == "metaserver":
            where = ["--metaserver", f"127.0.0.1:{self.members[0].port}"]
        environment = dict(os.environ, WEIR_CLUSTER_SECRET=self._secret)
        done = subprocess.run([self.weir, "fsadmin", *command, *where], env=environment, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"fsadmin {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout
