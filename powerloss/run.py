"""./x powerloss: cuts the power of a real disk under the real Holdfast, kills it at every sync and
at random, lets its disk fail, and judges what is left by the clients' and the upstreams' own
records. docs/powerloss.md says more."""

import argparse
import functools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import cuts
import disk
import kills
import teeth
import trouble
from process import RigError, leave_nothing
from report import Report
from world import Broken

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "powerloss"
PARTS = ("teeth", "cuts", "kills", "trouble")

EXAMPLES = """\
examples:
  ./x powerloss                              a few of everything, some minutes
  ./x powerloss --cuts 200 --kills 1000      the recorded campaign
  ./x powerloss --only kills --kills 100     what needs no mount
  ./x powerloss --seed 7 --world cuts-3      one world again, with the same draws
  ./x powerloss --minutes 30 --cuts 99999 --kills 0 --json build/powerloss.json

Orders, faults and the moments of cuts are drawn from the seed; how far Holdfast is at such a moment
is up to the machine, so a repeat is alike and not equal.

exit code: 0 all that was asked for was run and no violation found; 1 a violation; 2 the rig failed;
3 no violation, but the parts that need a mount were left out on this machine
"""


class Run:
    """What all parts share."""

    def __init__(self, options, folder):
        self.seed = options.seed
        self.program = options.program
        self.folder = folder
        self.report = Report(self.seed, functools.partial(print, flush=True))
        self._end = time.monotonic() + options.minutes * 60 if options.minutes else None

    def over(self):
        return self._end is not None and time.monotonic() > self._end

    def see(self, name, world, go, close):
        """Runs one world to its end and reports it. go() returns its violations."""
        repeat = f"./x powerloss --seed {self.seed} --world {name}"
        before = len(self.report.violations)
        try:
            violations = go()
            self.report.add_world(world.tally(), violations, name, repeat)
        except Broken as broken:
            self.report.violate(str(broken), name, repeat)
        finally:
            try:
                if len(self.report.violations) > before:
                    self._keep(name, world)
            finally:
                close()

    def _keep(self, name, world):
        kept = KEPT / f"{self.seed}-{name}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        world.keep(kept)
        for path in (self.folder / name).rglob("*"):
            if path.suffix in (".out", ".err", ".yaml"):
                shutil.copy(path, kept)
        self.report.say(f"          kept: {kept.relative_to(ROOT)}")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./x powerloss", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=20, metavar="N", help="power cuts (20)")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="kill -9 (100)")
    parser.add_argument("--trouble", type=int, default=8, metavar="N",
                        help="disks that fail or are full (8)")
    parser.add_argument("--seed", type=int, help="of all draws; printed first (a fresh one)")
    parser.add_argument("--minutes", type=float, metavar="M", help="begin nothing after M minutes")
    parser.add_argument("--only", choices=PARTS, action="append", help="leave the others out")
    parser.add_argument("--world", metavar="NAME", help="only this world, as a violation names it")
    parser.add_argument("--short", action="store_true",
                        help="16 kills that need no mount, and nothing else (ctest)")
    parser.add_argument("--json", metavar="FILE", help="the summary as JSON, too")
    parser.add_argument("--program", default=os.environ.get(
        "HOLDFAST", str(ROOT / "build" / "release" / "holdfast")), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 1_000_000)
    return options


def go(run, options):
    if options.short:
        kills.short(run)
        return
    parts = options.only or PARTS
    without = disk.why_not()
    if options.world:
        part, _, number = options.world.partition("-")
        modules = {"cuts": cuts, "kills": kills, "trouble": trouble}
        if part not in modules or not number.isdigit():
            raise RigError(f"there is no world {options.world!r}")
        more = {} if part == "cuts" else {"can_mount": not without}
        if part == "cuts" and without:
            raise RigError(without)
        modules[part].one_world(run, int(number), **more)
        return
    if without and set(parts) - {"kills"}:
        run.report.leave_out("power cuts, failing and full disks", without)
    if "teeth" in parts and not without:
        teeth.prove(run)
    if "cuts" in parts and not without:
        cuts.campaign(run, options.cuts)
    if "kills" in parts:
        kills.campaign(run, options.kills, can_mount=not without)
    if "trouble" in parts:
        trouble.campaign(run, options.trouble, can_mount=not without)


def interrupted(*_):
    # What comes now is the taking down, which a second signal must not cut short.
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments):
    options = parse(arguments)
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, interrupted)
    print(f"powerloss, seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="holdfast-powerloss-"))
    run = Run(options, folder)
    code = 0
    try:
        go(run, options)
    except RigError as error:
        print(f"  the rig failed: {error}")
        code = 2
    except KeyboardInterrupt:
        print("  interrupted")
        code = 130
    finally:
        leave_nothing(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print(run.report.summary(), flush=True)
    if options.json:
        Path(options.json).write_text(run.report.as_json() + "\n")
    if run.report.violations:
        return 1
    return code or (3 if run.report.left_out else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
