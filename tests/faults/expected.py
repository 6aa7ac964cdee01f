"""What clients may find after a fault: for every name the states that its acknowledged history allows.

A client owns its names: only it changes them, one change at a time. An acknowledged change leaves one state allowed.
A change whose answer never came leaves the old states and the new one; the next look settles which it was.
"""

import hashlib
import threading

ABSENT = None


def digest(data):
    """The state of an object that holds `data`: its SHA-256 and length."""
    return (hashlib.sha256(data).hexdigest(), len(data))


class Expected:
    def __init__(self):
        self._allowed = {}
        self._lock = threading.Lock()
        self.acknowledged = 0

    def begin(self, name, state):
        """A change of `name` to `state` is about to be sent."""
        with self._lock:
            self._allowed.setdefault(name, {ABSENT}).add(state)

    def acknowledge(self, name, state):
        with self._lock:
            self._allowed[name] = {state}
            self.acknowledged += 1

    def refuse(self, name, state):
        """The server said that it did not make the change, before anything could have happened."""
        with self._lock:
            allowed = self._allowed[name]
            if len(allowed) > 1:
                allowed.discard(state)

    def settled(self, name):
        """The one state that is allowed, or raises KeyError while it is in doubt."""
        with self._lock:
            allowed = self._allowed.get(name, {ABSENT})
            if len(allowed) != 1:
                raise KeyError(name)
            return next(iter(allowed))

    def is_in_doubt(self, name):
        with self._lock:
            return len(self._allowed.get(name, ())) > 1

    def look(self, name, found):
        """Compares what is there now with what is allowed; returns a complaint or None, and settles what was in doubt."""
        with self._lock:
            allowed = self._allowed.get(name, {ABSENT})
            if found in allowed:
                self._allowed[name] = {found}
                return None
            return f"{name}: found {describe(found)}, allowed: {' or '.join(describe(s) for s in allowed)}"

    def names(self):
        with self._lock:
            return sorted(self._allowed)


def describe(state):
    if state is ABSENT:
        return "nothing"
    if state is True:
        return "a bucket"
    return f"{state[1]} bytes {state[0][:12]}"
