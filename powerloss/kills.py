"""kill -9: at the Nth sync of every thread that syncs, for N = 1 until a run ends by itself, and at
random moments. The page cache outlives a process, so this needs no disk of its own."""

import contextlib
import random
import shutil
import signal
import time

from process import Child, RigError, run as command, wait_for
from world import Broken, World

MEGABYTES = 128  # of the tmpfs, where one can be mounted: small write buffers
# What a world sweeps: (which thread, which calls, requests of a run that nothing has killed, kills
# of the whole world; those that the sweep does not need come at random).
# strace counts per thread and call. A small journal is written to tables after some 600 requests,
# and tables are put together when there are four: not every run has what such a sweep waits for.
PLAN = (
    ("first start", ("fsync", "fdatasync", "rename"), 0, 50),
    ("sync", ("fdatasync",), 60, 50),
    ("start", ("fsync", "fdatasync", "rename", "unlink"), 20, 90),
    ("flush", ("fdatasync", "fsync"), 800, 12),
    ("random", (), 0, 60),
    ("compaction", ("fdatasync", "fsync", "unlink"), 800, 8),
    ("random", (), 0, 60),
)
MISSES = {"flush": 3, "compaction": 4}  # runs that end by themselves until a sweep is over


def inject(what):
    """strace's options to do something to one system call and nothing else. (Not together with
    --seccomp-bpf, which loses injections.)"""
    return [f"--trace={what.split(':')[0]}", "--signal=none", "--output=/dev/null",
            f"--inject={what}"]


class CannotTrace(Exception):
    """This machine lets nobody trace a process that runs (ptrace_scope, a container)."""


class SmallFolder:
    """A folder on a small tmpfs, so that Holdfast writes tables often; a plain one elsewhere."""

    def __init__(self, path, can_mount):
        self.path = path
        self._mounted = False
        path.mkdir(parents=True)
        if can_mount:
            command("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", path)
            self._mounted = True

    def remove(self):
        if self._mounted:
            command("umount", "-l", self.path)
            self._mounted = False
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def traced(holdfast, role, what, folder, more=()):
    """strace at one thread of a running process."""
    tid = wait_for(f"the {role} thread", lambda: holdfast.tid_of(role))
    tracer = Child(["strace", "-p", tid, *more, *inject(what)], folder, "strace")
    try:
        wait_for("strace holds the thread", lambda: "attached" in tracer.errors()
                 or not tracer.alive())
        if "attached" not in tracer.errors():
            raise CannotTrace(tracer.errors().strip())
        yield
    finally:
        tracer.kill()


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
        self._small = SmallFolder(self._folder / "journal", can_mount)
        self._journal = self._small.path / "data"
        try:
            self.world = World(run.program, self._folder, self._journal, f"{run.seed}/{name}")
        except BaseException:
            self._small.remove()
            raise

    def go(self):
        role, calls, load, _ = self._plan
        for call in calls:
            try:
                self._sweep(role, call, load)
            except CannotTrace as why:
                self._report.leave_out(f"kills at the Nth {call} of {role}", why)
                self.world.kill()
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

    def _first_start(self, _, call, n, __):
        """A first start of which the Nth call kills; what it leaves must be good to start on.

        No client is let in: the journal goes before the next one.
        """
        shutil.rmtree(self._journal, ignore_errors=True)
        world = self.world
        if self._spawn_under(call, n).wait_ready():
            world.holdfast.kill()
            shutil.rmtree(self._journal, ignore_errors=True)
            return False
        self._check_killed()
        if not world.spawn().wait_ready():
            raise Broken("start", f"after a first start killed at {call} {n}: "
                                  f"{world.holdfast.errors()[-600:]}")
        world.holdfast.kill()
        return True

    def _start(self, _, call, n, load):
        """A start of which the Nth call kills, else a run that we kill after some load."""
        holdfast = self._spawn_under(call, n)
        if holdfast.wait_ready():
            self.world.let_in()
            self.world.look()
            self.world.wait_load(load, may_end=True)
            hit = not holdfast.alive()  # by a call that came after the start
            self.world.kill(may_be_gone=True)
            return hit
        self._check_killed()
        self.world.over()
        return True

    def _spawn_under(self, call, n):
        return self.world.spawn(["strace", "-f", *inject(f"{call}:signal=SIGKILL:when={n}")])

    def _check_killed(self):
        """It ended by our kill and by nothing else: strace ends as what it runs."""
        code = self.world.holdfast.wait()
        if code != -signal.SIGKILL:
            raise Broken("died", f"while it started, exit code {code}: "
                                 f"{self.world.holdfast.errors()[-600:]}")

    def _attached(self, role, call, n, load):
        """Load on a running process until a thread of it makes its Nth call."""
        world = self.world
        world.start()
        world.look()
        with traced(world.holdfast, role, f"{call}:signal=SIGKILL:when={n}", self._folder):
            alive = world.wait_load(load, may_end=True)
            world.kill(may_be_gone=True)
            return not alive

    def close(self):
        self.world.close()
        self._small.remove()


def one_world(run, number, most=None, can_mount=True):
    name = f"kills-{number}"
    plan = PLAN[(number - 1) % len(PLAN)]
    world = KillWorld(run, name, plan, min(plan[-1], most or plan[-1]), can_mount)
    run.see(name, world.world, world.go, world.close)


def short(run):
    """A few kills of every kind that needs no mount: the form for ctest."""
    for number in (1, 2, 3, 5):
        one_world(run, number, 4, can_mount=False)


def campaign(run, wanted, can_mount):
    """Worlds until there were so many kills."""
    if shutil.which("strace") is None:
        raise RigError("strace is not installed")
    number, counts = 0, run.report.counts
    while counts["kills"] < wanted and not run.over():
        number += 1
        one_world(run, number, wanted - counts["kills"], can_mount)
        run.report.say(f"kills: {counts['kills']} of {wanted}, world {number}, "
                       f"{len(run.report.violations)} violations")
