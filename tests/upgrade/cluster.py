"""A cluster of one build, of which each process can be replaced by another build's."""

import json
import os
import signal
import subprocess
import time
import urllib.request

START_SECONDS = 60
STOP_SECONDS = 60


def until(what, holds, seconds):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"upgrade: not within {seconds} s: {what}")
        time.sleep(0.05)


class Cluster:
    """`weir local-cluster` over a folder: a metaserver, three workers, two gateways."""

    def __init__(self, folder, binary):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
        self.replaced = {}
        with open(os.path.join(folder, "out"), "w") as out, open(os.path.join(folder, "log"), "w") as log:
            command = [binary, "local-cluster", "--data", self.data, "--listen", "127.0.0.1:0"]
            command += ["--set", "metaserver.worker_timeout_ms=2000"]
            self.parent = subprocess.Popen(command, env=self.environment, cwd=folder, stdout=out, stderr=log)
        out_path = os.path.join(folder, "out")
        until("the cluster serves", lambda: "gateway" in open(out_path).read(), START_SECONDS)

    def processes(self):
        with open(os.path.join(self.data, "cluster.json")) as file:
            return json.load(file)["processes"]

    def names(self, role):
        return [process["name"] for process in self.processes() if process["role"] == role]

    def process(self, name):
        return next(process for process in self.processes() if process["name"] == name)

    def ports(self):
        return [int(self.process(name)["address"].rsplit(":", 1)[1]) for name in self.names("gateway")]

    def replace(self, name, binary):
        """Ends a process in order and starts another build at its place, over its folder."""
        self.end(name)
        process = self.process(name)
        environment = {**self.environment, "WEIR_CLUSTER_SECRET_FILE": os.path.join(self.data, "cluster-secret")}
        with open(process["log"], "a") as log:
            command = [binary, *process["command"][1:]]
            child = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        self.replaced[name] = child
        until(f"{name} serves", lambda: self.serves(process), START_SECONDS)

    def end(self, name):
        child = self.replaced.pop(name, None)
        if child is not None:
            child.terminate()
            child.wait(STOP_SECONDS)
            return
        os.kill(self.process(name)["pid"], signal.SIGTERM)
        until(f"{name} ends", lambda: self.process(name)["pid"] is None, STOP_SECONDS)

    @staticmethod
    def serves(process):
        try:
            with urllib.request.urlopen(f"http://{process['admin_address']}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def report(self, binary):
        """What `weir fsadmin report` of a build says."""
        environment = {**self.environment, "WEIR_CLUSTER_SECRET_FILE": os.path.join(self.data, "cluster-secret")}
        address = self.process(self.names("metaserver")[0])["address"]
        command = [binary, "fsadmin", "report", "--metaserver", address]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def stop(self):
        for role in ["gateway", "worker", "metaserver"]:
            for name in [name for name in self.replaced if name.startswith(role)]:
                self.end(name)
        self.parent.terminate()
        self.parent.wait(2 * STOP_SECONDS)

    def complaints(self):
        """Every process that panicked."""
        found = []
        for process in self.processes():
            with open(process["log"], errors="replace") as log:
                if "panicked at" in log.read():
                    found.append(f"{process['name']} panicked: {process['log']}")
        return found
