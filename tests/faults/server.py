"""Starts and ends the real `weir standalone`."""

import os
import signal
import socket
import subprocess
import time

from s3 import Client, Lost, Refused

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Small files, so that a short run sees segments seal, checkpoints and compaction, and fits a small image.
SMALL = {
    "WEIR_METASERVER_JOURNAL_SEGMENT_BYTES": "4194304",
    "WEIR_METASERVER_CHECKPOINT_JOURNAL_BYTES": "8388608",
    "WEIR_METASERVER_RESERVE_BYTES": "16777216",
    "WEIR_WORKER_SEGMENT_BYTES": "8388608",
    "WEIR_WORKER_RESERVE_BYTES": "16777216",
    "WEIR_WORKER_COMPACTION_INTERVAL_MS": "2000",
    "WEIR_ADMIN_LISTEN": "",
    "WEIR_LOG": "warn",
}


def binary():
    """WEIR_BIN, or the release build, made when it is missing."""
    path = os.environ.get("WEIR_BIN")
    if path:
        return path
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    return os.path.join(target, "release", "weir")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One process over a data folder. `seconds_to_serve` tells how long it took to answer."""

    def __init__(self, data, log, weir=None, planted_fault=None, limit_seconds=30):
        self.port = free_port()
        environment = dict(os.environ, **SMALL)
        if planted_fault:
            environment["WEIR_PLANTED_FAULT"] = planted_fault
        command = [weir or binary(), "standalone", "--data", data, "--listen", f"127.0.0.1:{self.port}"]
        began = time.monotonic()
        self._log = open(log, "ab")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment, cwd="/")
        try:
            self._wait(began + limit_seconds)
        except BaseException:
            self.kill()
            raise
        self.seconds_to_serve = time.monotonic() - began

    def _wait(self, until):
        client = Client(self.port)
        while True:
            try:
                client.call("GET", "/")
                client.close()
                return
            except (Lost, Refused) as error:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended with {self.process.returncode}") from error
                if time.monotonic() > until:
                    raise RuntimeError(f"the server does not serve: {error}") from error
                time.sleep(0.02)

    def freeze(self):
        """Returns when no thread of the server runs any more: one that does would still answer, of what the cut does
        to it. A thread in the middle of a write stops at its end."""
        self.process.send_signal(signal.SIGSTOP)
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

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._log.close()
