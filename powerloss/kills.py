"""kill -9: at the Nth sync of every thread that syncs, for N = 1 until a run ends by itself, and at
random moments. The page cache outlives a process, so this needs no disk of its own."""

import random
import shutil
import time

from process import Child, RigError, run as command, wait_for
from world import World

KILLS_A_WORLD = 40
MEGABYTES = 96   # of the tmpfs, where one can be mounted: small write buffers
# What a world sweeps: (which thread, which call, requests of a run that nothing has killed).
# strace counts per thread and call. A small journal is written to tables after some 400 requests,
# and tables are put together when there are four: not every run has what such a sweep waits for.
PLAN = (
    ("first start", ("fsync", "fdatasync", "rename"), 0),
    ("journal", ("fdatasync",), 120),
    ("start", ("fsync", "fdatasync", "rename", "unlink"), 20),
    ("flush", ("fdatasync", "fsync"), 600),
    ("random", (), 0),
    ("compaction", ("fdatasync", "fsync", "unlink"), 600),
    ("random", (), 0),
)
MISSES = {"flush": 3, "compaction": 4}  # runs that end by themselves until a sweep is over


def inject(call, n):
    return [f"--trace={call}", "--signal=none", "--output=/dev/null",
            f"--inject={call}:signal=SIGKILL:when={n}"]


class KillWorld:
    """One world on a plain folder (a small tmpfs where possible), killed again and again."""

    def __init__(self, run, name, plan, kills, can_mount):
        self._run = run
        self._report = run.report
        self._plan = plan
        self._kills = kills
        self._done = 0
        self._rng = random.Random(f"{run.seed}/{name}")
        self._folder = run.folder / name
        self._journal = self._folder / "journal"
        self._journal.mkdir(parents=True)
        self._mounted = False
        try:
            if can_mount:
                command("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", self._journal)
                self._mounted = True
            self.world = World(run.program, self._folder, self._journal / "data",
                               f"{run.seed}/{name}")
        except BaseException:
            self._remove()
            raise

    def go(self):
        role, calls, load = self._plan
        for call in calls:
            self._sweep(role, call, load)
        while not self._enough():
            self._at_random()
        self.world.start()
        return self.world.finish()

    def _enough(self):
        return self._done >= self._kills or self._run.over()

    def _killed(self, how):
        self._done += 1
        self._report.count("kills")
        self._report.land("kills", [how])

    def _at_random(self):
        self.world.start()
        self.world.look()
        self.world.wait_load(self._rng.randrange(1, 150))
        time.sleep(self._rng.random() * 0.02)  # sleep: the moment of the kill is drawn
        self.world.kill()
        self._killed("at a random moment under load")

    def _sweep(self, role, call, load):
        """N = 1, 2, ... until a run ends by itself."""
        ways = {"first start": self._first_start, "start": self._start}
        n, misses = 1, MISSES.get(role, 1)
        while misses > 0 and not self._enough():
            hit = ways.get(role, self._attached)(role, call, n, load)
            if hit:
                self._killed(f"{role}: {call} 1 to N")
                n += 1
            else:
                misses -= 1
        if misses == 0:
            self._report.note(f"kills: {role}: {call}: killed at 1 to {n - 1}, then none was left")

    def _first_start(self, role, call, n, load):
        """A first start of which the Nth call kills; what it leaves must be good to start on."""
        shutil.rmtree(self._journal / "data", ignore_errors=True)
        hit = self._start(role, call, n, load)
        if hit:
            self.world.start()
            self.world.kill()
        return hit

    def _start(self, _, call, n, load):
        """A start of which the Nth call kills, else a run that we kill after some load."""
        holdfast = self.world.spawn(["strace", "-f", "--seccomp-bpf", *inject(call, n)])
        if holdfast.wait_ready():
            self.world.let_in()
            if load:
                self.world.look()
                self.world.wait_load(load, may_end=True)
            hit = not holdfast.alive()  # by a call that came after the start
            self.world.kill(may_be_gone=True)
            return hit
        self.world.over()
        return True

    def _attached(self, role, call, n, load):
        """Load on a running process until a thread of it makes its Nth call."""
        world = self.world
        world.start()
        world.look()
        tid = wait_for(f"the {role} thread", lambda: world.holdfast.tid_of(role))
        tracer = Child(["strace", "-p", tid, *inject(call, n)], self._folder, "strace")
        try:
            wait_for("strace holds the thread", lambda: "attached" in tracer.errors()
                     or not tracer.alive())
            alive = world.wait_load(load, may_end=True)
            world.kill(may_be_gone=True)
            return not alive
        finally:
            tracer.kill()

    def _remove(self):
        if self._mounted:
            command("umount", "-l", self._journal)
            self._mounted = False
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self):
        self.world.close()
        self._remove()


def one_world(run, number, count=KILLS_A_WORLD, can_mount=True):
    name = f"kills-{number}"
    world = KillWorld(run, name, PLAN[(number - 1) % len(PLAN)], count, can_mount)
    run.see(name, world.world, world.go, world.close)


def campaign(run, wanted, can_mount):
    """Worlds until there were so many kills."""
    if shutil.which("strace") is None:
        raise RigError("strace is not installed")
    number, counts = 0, run.report.counts
    while counts["kills"] < wanted and not run.over():
        number += 1
        one_world(run, number, min(KILLS_A_WORLD, wanted - counts["kills"]), can_mount)
        run.report.say(f"kills: {counts['kills']} of {wanted}, world {number}, "
                       f"{len(run.report.violations)} violations")
