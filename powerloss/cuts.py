"""Power cuts: worlds on a disk of their own, each cut several times."""

import random
import time

from disk import Disk
from judge import Violation
from process import RigError, wait_for
from world import Broken, World

CUTS_A_WORLD = 10
MEGABYTES = 128       # a small disk means small write buffers: 2 MiB until a table is written
# (kind, weight): when the power goes.
KINDS = (("load", 5), ("tables", 4), ("start", 3), ("mount", 2))
SHARES = (0.0, 0.0, 0.3, 0.7, 1.0)  # of what was not flushed, how much the disk has kept
TABLES_SECONDS = 8.0
DYING_SECONDS = 0.1
OPENING_SECONDS = 0.09
MOUNTING_SECONDS = 0.05


class CutWorld:
    """One world and its disk. Every random choice is drawn from its seed."""

    def __init__(self, run, name, cuts):
        self._run = run
        self._report = run.report
        self._name = name
        self._cuts = cuts
        self._rng = random.Random(f"{run.seed}/{name}")
        folder = run.folder / name
        folder.mkdir()
        self.disk = Disk(folder / "disk", MEGABYTES, latency_ms=self._rng.choice((0, 1)))
        try:
            self.world = World(run.program, folder, self.disk.mount / "data",
                               f"{run.seed}/{name}")
        except BaseException:
            self.disk.remove()
            raise

    def go(self):
        """Cut after cut, then the end; returns the violations."""
        self.disk.up()
        self.world.start()
        done = 0
        while done < self._cuts and not self._run.over():
            kind = self._rng.choices(*zip(*KINDS))[0]
            # Cuts of a start need something to start from: they follow a cut under load.
            more = self._rng.choice((1, 1, 2)) if kind in ("start", "mount") else 0
            self.cut_under_load("tables" if kind == "tables" else "load")
            done += 1
            while more > 0 and done < self._cuts:
                self.cut_while_starting(kind)
                more -= 1
                done += 1
            self.recover()
        violations = self.world.finish()
        said = self.disk.down()
        if said:
            violations.append(Violation("file-system", "-", 0, said))
        return violations

    def cut_under_load(self, kind):
        world, holdfast = self.world, self.world.holdfast
        world.wait_load(self._rng.randrange(60, 300))
        if kind == "tables":
            role = self._rng.choice(("flush", "compaction"))
            try:
                wait_for(role, lambda: holdfast.busy(role) and holdfast.table_being_written(),
                         TABLES_SECONDS, every=0.0005)
                time.sleep(self._rng.random() * 0.01)  # sleep: some way into it
            except RigError:
                self._report.count(f"cuts: no {role} came in time")
        dying = self._rng.random() < 0.3
        self.disk.freeze()
        where = self._where(holdfast)
        if not dying:
            holdfast.freeze()
            world.shut_out()
        self._cut("load" if not dying else "load, and the process lived on for a while")
        if dying:
            # sleep: for so long Holdfast stands before a dead disk, and talks to its clients
            time.sleep(self._rng.random() * DYING_SECONDS)
        world.kill(may_be_gone=dying)
        self._report.land("cuts", where)
        self.disk.clear_away()

    def cut_while_starting(self, kind):
        self.disk.plug_in()
        if kind == "mount":
            mount = self.disk.begin_mount()
            time.sleep(self._rng.random() * MOUNTING_SECONDS)  # sleep: some way into the mount
            self._report.land("cuts", ["ext4's own recovery" if mount.alive() else "just mounted"])
            self._cut("mount")
            mount.wait()
        else:
            self.disk.mount_it()
            holdfast = self.world.spawn()
            time.sleep(self._rng.random() * OPENING_SECONDS)  # sleep: some way into the start
            self.disk.freeze()
            ready = holdfast.listening()
            self._report.land("cuts", ["just started" if ready else "opening the journal"])
            self._report.land("cuts", self._threads(holdfast))
            holdfast.freeze()
            self._cut("start")
            self.world.kill()
        self.disk.clear_away()

    def recover(self):
        self.disk.up()
        self.world.start()
        self.world.look()

    def _cut(self, kind):
        unflushed, kept = self.disk.cut(self._rng, self._rng.choice(SHARES))
        self._report.count("cuts")
        self._report.count(f"cuts: {kind}")
        if unflushed:
            self._report.count("cuts: with blocks written and not yet flushed")
        if kept and kept < unflushed:
            self._report.count("cuts: that kept some of those blocks and lost others")

    @staticmethod
    def _threads(holdfast):
        return {f"{role}: {call} of {kind}" for role, call, kind in holdfast.threads().values()}

    def _where(self, holdfast):
        """What was under way, in words. The disk stands still meanwhile."""
        found = self._threads(holdfast)
        places = set(found)
        if any(place.startswith("journal: ") and place.endswith(" log") for place in found):
            places.add("IN A COMMIT")
        for role in ("flush", "compaction"):
            if holdfast.busy(role):
                places.add(f"IN A {role.upper()}")
        return places or {"between two writes"}

    def close(self):
        self.world.close()
        self.disk.remove()


def one_world(run, number, count=CUTS_A_WORLD):
    name = f"cuts-{number}"
    world = CutWorld(run, name, count)
    run.see(name, world.world, world.go, world.close)


def campaign(run, wanted):
    """Worlds until so many cuts were made."""
    number, counts = 0, run.report.counts
    while counts["cuts"] < wanted and not run.over():
        number += 1
        one_world(run, number, min(CUTS_A_WORLD, wanted - counts["cuts"]))
        run.report.say(f"cuts: {counts['cuts']} of {wanted}, world {number}, "
                       f"{len(run.report.violations)} violations")
