"""What a run has done and found, for people and as JSON."""

import collections
import json
import threading
import time


SHOWN_A_WORLD = 5


class Report:
    """Counts, landings and violations of all parts. Any thread may write."""

    def __init__(self, seed, out=print):
        self.seed = seed
        self.begun = time.monotonic()
        self.counts = collections.Counter()
        self.landed = collections.defaultdict(collections.Counter)
        self.evidence = collections.Counter()
        self.violations = []
        self.left_out = []
        self.notes = []
        self._out = out
        self._lock = threading.Lock()

    def say(self, text):
        self._out(f"  {time.monotonic() - self.begun:6.0f} s  {text}")

    def count(self, what, number=1):
        with self._lock:
            self.counts[what] += number

    def land(self, part, where):
        """A cut or kill of `part` landed at one or more places."""
        with self._lock:
            for place in where:
                self.landed[part][place] += 1

    def add_world(self, tally, violations, name, repeat):
        """A world's numbers. repeat: the command that makes the same world again."""
        with self._lock:
            self.evidence.update(tally)
            self.evidence["worlds"] += 1
        for i, violation in enumerate(violations):
            self.violate(f"{violation}", name, repeat, show=i < SHOWN_A_WORLD)
        if len(violations) > SHOWN_A_WORLD:
            self.say(f"          and {len(violations) - SHOWN_A_WORLD} more of this world")

    def violate(self, text, name, repeat, show=True):
        self.violations.append({"what": text, "world": name, "repeat": repeat})
        if show:
            self.say(f"VIOLATION in {name}: {text}")
            self.say(f"          to repeat (times will differ): {repeat}")

    def leave_out(self, what, why):
        self.left_out.append(f"{what}: {why}")
        self.say(f"left out: {what}: {why}")

    def note(self, text):
        self.notes.append(text)
        self.say(text)

    def summary(self):
        lines = [f"seed {self.seed}, {(time.monotonic() - self.begun) / 60:.1f} minutes"]
        lines += [f"  {number:8}  {what}" for what, number in sorted(self.counts.items())]
        for part, places in self.landed.items():
            lines.append(f"where the {part} landed:")
            lines += [f"  {number:8}  {place}" for place, number in places.most_common()]
        lines.append("judged:")
        lines += [f"  {number:8}  {what}" for what, number in self.evidence.items()]
        lines += [f"left out: {what}" for what in self.left_out]
        lines.append(f"violations: {len(self.violations)}")
        lines += [f"  {each['world']}: {each['what']}" for each in self.violations[:50]]
        return "\n".join(lines)

    def as_json(self):
        return json.dumps({
            "seed": self.seed, "seconds": round(time.monotonic() - self.begun, 1),
            "counts": self.counts, "landed": self.landed, "judged": self.evidence,
            "left_out": self.left_out, "notes": self.notes, "violations": self.violations,
        }, indent=2)
