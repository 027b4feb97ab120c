"""Disks that fail (EIO) and disks that are full (ENOSPC), under load: Holdfast stops accepting or
ends, acknowledges nothing that is not synced, and goes on once the disk is well again."""

import errno
import os
import random
import time

from disk import Disk
from judge import Violation
from kills import SmallFolder, traced
from process import RigError, wait_for
from world import Broken, World

MEGABYTES = 128
INCIDENTS_A_WORLD = 4
ON_A_DISK = ("writes fail", "writes fail for a moment", "reads fail at the start", "full",
             "full, and the power is cut", "nearly full, and started anew")
BY_STRACE = ("one sync fails", "some writes to the log find no space")
STANDS_SECONDS = 1.5   # before a disk that fails or is full
RECOVERS_SECONDS = 20.0
TABLES_UNTIL_MERGED = 4
ROOM_TO_START = 2 << 20  # beside what the log becomes as a table


class TroubleWorld:
    """What both kinds share: incidents until there were enough, then the end."""

    def __init__(self, run, name, incidents):
        self.run = run
        self.incidents = incidents
        self.rng = random.Random(f"{run.seed}/{name}")
        self.folder = run.folder / name
        self.folder.mkdir()
        self.world = None

    def make_world(self, journal, name):
        self.world = World(self.run.program, self.folder, journal, f"{self.run.seed}/{name}")

    def go(self):
        self.begin()
        self.world.start()
        for _ in range(self.incidents):
            if self.run.over():
                break
            what = self.rng.choice(self.kinds)
            self.world.wait_load(self.rng.randrange(60, 200))
            self.incident(what)
            self.run.report.count("incidents")
            self.run.report.count(f"incidents: {what}")
            self.world.look()
        violations = self.world.finish()
        return violations + self.end()

    def stands(self, seconds):
        """Leaves Holdfast to what has happened to it; then says how it stood it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.world.holdfast.alive():
            time.sleep(0.01)  # sleep: between two looks whether it has ended
        said = "ended by itself" if not self.world.holdfast.alive() else \
            "began anew and stayed" if "rebuilding" in self.world.holdfast.errors() else \
            "stayed and refused, or did not notice"
        self.run.report.land("incidents", [said])

    def close(self):
        if self.world is not None:
            self.world.close()


class OnADisk(TroubleWorld):
    kinds = ON_A_DISK

    def __init__(self, run, name, incidents):
        super().__init__(run, name, incidents)
        self.disk = Disk(self.folder / "disk", MEGABYTES)
        try:
            self.make_world(self.disk.mount / "data", name)
        except BaseException:
            self.disk.remove()
            raise

    def begin(self):
        self.disk.up()

    def end(self):
        said = self.disk.down()
        return [Violation("file-system", "-", 0, said)] if said else []

    def incident(self, what):
        if what.startswith("writes fail"):
            self.writes_fail(lasting=what == "writes fail")
        elif what.startswith("reads"):
            self.reads_fail()
        elif what.startswith("nearly"):
            self.nearly_full()
        else:
            self.full(cut=what.endswith("cut"))

    def restart(self):
        self.disk.clear_away()
        self.disk.heal()
        self.disk.up()
        self.world.start()

    def cut(self):
        self.disk.cut()
        self.world.kill(may_be_gone=True)

    def writes_fail(self, lasting):
        self.disk.fail("write")
        if lasting:
            self.stands(STANDS_SECONDS)
        else:
            time.sleep(self.rng.random() * 0.02)  # sleep: as long as the moment lasts
            self.disk.heal()
            self.stands(STANDS_SECONDS)
        self.cut()
        self.restart()

    def reads_fail(self):
        self.world.shut_out()
        self.cut()
        self.disk.clear_away()
        self.disk.up()
        # Some of it is read, so that the failure meets the middle of the opening too.
        os.listdir(self.disk.mount)
        self.disk.fail("read")
        holdfast = self.world.spawn()
        if holdfast.wait_ready():
            raise Broken("start", "it started although nothing of its disk can be read")
        self.run.report.land("incidents", [f"refused to start, exit code {holdfast.wait()}"])
        self.restart()

    def fill(self, leave=0):
        """Others take all room but `leave` bytes. Returns what they have written."""
        path = self.disk.mount / "of-others"
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    left = os.statvfs(path)
                    room = left.f_bavail * left.f_frsize - leave
                    if room <= 0 or file.write(b"x" * min(room, 65536)) == 0:
                        break
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
            os.fsync(file.fileno())
        return path

    def full(self, cut):
        filled = self.fill()
        self.stands(STANDS_SECONDS)
        if cut:
            self.cut()
            self.disk.clear_away()
            self.disk.up()
            self.start_full()
        filled.unlink()
        if not self.world.holdfast.alive():
            self.world.start()
        self.recovers()

    def nearly_full(self):
        """Tables are put together as it starts, and find no room for it: nothing that needs none
        may suffer from that."""
        for _ in range(self.rng.randrange(TABLES_UNTIL_MERGED)):
            self.world.kill()
            self.world.start()
            self.world.wait_load(200)
        self.world.shut_out()
        self.world.kill()
        logs = sum(path.stat().st_size for path in (self.disk.mount / "data/db").glob("*.log"))
        filled = self.fill(leave=logs + ROOM_TO_START)
        self.world.start()
        self.stands(STANDS_SECONDS)
        self.world.check_alive()
        looked = len(self.world.clients.records)
        self.world.look()
        refused = [told for told in self.world.clients.records[looked:]
                   if told.what != "ask" and told.code == "journal-unavailable"]
        if refused:
            raise Broken("stuck", f"a nearly full disk, and {len(refused)} looks at calls are "
                                  f"refused: {refused[0].body[:200]!r}")
        filled.unlink()
        self.recovers()

    def recovers(self):
        """With room again new calls are taken, and nobody has to start it again."""
        records = self.world.clients.records
        since, begun = time.time(), len(records)

        def taken():
            return sum(told.outcome in ("accepted", "final") and not told.replayed
                       and told.what == "ask" and told.asked > since
                       for told in records[begun:]) >= 20
        try:
            wait_for("new calls are taken", taken, RECOVERS_SECONDS, every=0.05)
        except RigError:
            raise Broken("stuck", f"the disk has room again, and no new calls are taken after "
                                  f"{RECOVERS_SECONDS:g} s: "
                                  f"{self.world.holdfast.errors()[-600:]}") from None
        self.world.check_alive()

    def start_full(self):
        """A start on a full disk: it serves what it has, or says why it does not start."""
        holdfast = self.world.spawn()
        if holdfast.wait_ready():
            self.world.let_in()
            self.run.report.land("incidents", ["started on a full disk"])
            return
        code = holdfast.wait()
        self.run.report.land("incidents", [f"full: refused to start, exit code {code}"])
        if code < 0 or not holdfast.errors().strip():
            raise Broken("died", f"on a full disk, exit code {code}: {holdfast.errors()[-600:]}")

    def close(self):
        super().close()
        self.disk.remove()


class ByStrace(TroubleWorld):
    kinds = BY_STRACE

    def __init__(self, run, name, incidents, can_mount):
        super().__init__(run, name, incidents)
        self.small = SmallFolder(self.folder / "journal", can_mount)
        try:
            self.make_world(self.small.path / "data", name)
        except BaseException:
            self.small.remove()
            raise

    def begin(self):
        pass

    def end(self):
        return []

    def incident(self, what):
        n = self.rng.randrange(1, 20)
        holdfast = self.world.holdfast
        if what.startswith("one sync"):
            trap = traced(holdfast, "sync", f"fdatasync:error=EIO:when={n}", self.folder)
        else:
            # The thread writes to sockets of its own as well: only the log's file is meant.
            last = n + self.rng.randrange(1, 6)
            trap = traced(holdfast, "journal", f"write:error=ENOSPC:when={n}..{last}", self.folder,
                          ["-P", holdfast.log_file()])
        with trap:
            self.stands(STANDS_SECONDS / 2)
            self.world.kill(may_be_gone=True)
        self.world.start()

    def close(self):
        super().close()
        self.small.remove()


def one_world(run, number, count=INCIDENTS_A_WORLD, can_mount=True):
    name = f"trouble-{number}"
    if can_mount and number % 2 == 1:
        world = OnADisk(run, name, count)
    else:
        world = ByStrace(run, name, count, can_mount)
    run.see(name, world.world, world.go, world.close)


def campaign(run, wanted, can_mount):
    if not can_mount:
        run.report.leave_out("full disks, and disks that fail below the file system", "see above")
    number, counts = 0, run.report.counts
    while counts["incidents"] < wanted and not run.over():
        number += 1
        one_world(run, number, min(INCIDENTS_A_WORLD, wanted - counts["incidents"]), can_mount)
        run.report.say(f"failing and full disks: {counts['incidents']} of {wanted}, world "
                       f"{number}, {len(run.report.violations)} violations")
