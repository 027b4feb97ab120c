"""The upstreams: two `holdfast sandbox` processes outside of every disk that fails.

`keyed` honours idempotency keys, `bare` has none and can be asked (/charges). Their ledgers of
requests and effects are what Holdfast is judged by.
"""

import json
import re
import urllib.request
import zlib

from process import Child, RigError, wait_for

# Odds in parts per thousand. A bare upstream's trouble is doubt that nobody can settle, so there
# is less of it.
FAULTS = {
    "keyed": "reset_before=30,reset_after=40,s500=20,s503=20,apply_then_503=20,slow:120=40,"
             "cut=20,cut:rst=10,late_apply:150=15,in_progress=15,hang=2",
    "bare": "reset_before=15,reset_after=15,s500=10,slow:120=40,cut=10,late_apply:150=10",
}
# An order that has met so many faults is let through.
FAULTED_ATTEMPTS = 3


class Sandbox:
    """One fake upstream."""

    def __init__(self, program, folder, name, seed, faults):
        keys = "stripe" if name == "keyed" else "ignored"
        self._child = Child([program, "sandbox", "--port", "0", "--keys", keys, "--seed",
                             zlib.crc32(seed.encode()),
                             "--faults", faults, "--max-faulted-attempts", FAULTED_ATTEMPTS],
                            folder, name)

        def said():
            found = re.search(r"sandbox listening on (\S+)", self._child.output())
            if not found and not self._child.alive():
                raise RigError(f"the sandbox ended: {self._child.errors()}")
            return found and found[1]
        self.url = wait_for("the sandbox listens", said)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=60) as answer:
            return json.load(answer)

    def heal(self):
        self.ask("/_faults", {"faults": ""})

    def ledger(self):
        found = self.ask("/_ledger")
        if found["counts"]["dropped_requests"] or found["counts"]["dropped_effects"]:
            raise RigError("the sandbox's ledger was too small for this world")
        return found

    def end(self):
        self._child.kill()


class Upstreams:
    """Both of them, and one ledger."""

    def __init__(self, program, folder, seed, calm=False):
        self._both = []
        try:
            for name, faults in FAULTS.items():
                self._both.append(Sandbox(program, folder, name, seed, "" if calm else faults))
        except BaseException:
            self.end()
            raise
        self.keyed, self.bare = (each.url for each in self._both)

    def heal(self):
        for each in self._both:
            each.heal()

    def ledger(self):
        """({order: [effect]}, {order: [request]}) of everything that carried an order."""
        effects, requests = {}, {}
        for each in self._both:
            ledger = each.ledger()
            for into, entries in ((effects, ledger["effects"]), (requests, ledger["requests"])):
                for entry in entries:
                    if entry["order"] and entry["method"] == "POST":
                        into.setdefault(entry["order"], []).append(entry)
        return effects, requests

    def end(self):
        for each in self._both:
            each.end()
