"""Running commands quietly: one line a step, the output in a log, what failed when it fails."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "log"
EXCERPT_LINES = 60

_NINJA_STATUS = re.compile(r"^\[\d+/\d+\] ")


class Failed(Exception):
    """A command of ours did not succeed and what there is to say was printed."""


def say(text):
    print(text, flush=True)


def on_terminal():
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Progress:
    """One line that is drawn over and over on a terminal, and nothing anywhere else."""

    def __init__(self, name):
        self._name = name
        self._start = time.monotonic()
        self._drawn_at = 0.0
        self._on = on_terminal()
        self._columns = os.get_terminal_size().columns if self._on else 80

    def seconds(self):
        return time.monotonic() - self._start

    def show(self, text):
        now = time.monotonic()
        if not self._on or now - self._drawn_at < 0.1:
            return
        self._drawn_at = now
        line = f"  {self._name:<16} {self.seconds():5.0f} s  {text}"[: self._columns - 1]
        sys.stdout.write("\r\033[K" + line)
        sys.stdout.flush()

    def clear(self):
        if self._on:
            sys.stdout.write("\r\033[K")
            sys.stdout.flush()


def excerpt(log):
    """What a log says of the failure: ninja's or CMake's first error, else its end."""
    lines = log.read_text(errors="replace").splitlines()
    for i, line in enumerate(lines):
        if line.startswith("FAILED: "):
            # The line after FAILED is the command, hundreds of columns that nobody reads.
            rest = lines[i + 2:]
            end = next((n for n, l in enumerate(rest) if _NINJA_STATUS.match(l)), len(rest))
            return [line] + rest[: min(end, EXCERPT_LINES)]
        if line.startswith("CMake Error"):
            return lines[i: i + EXCERPT_LINES]
    return lines[-EXCERPT_LINES:]


def relative(path):
    path = Path(path)
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def stream(argv, log, env=None, cwd=ROOT, on_line=None):
    """Runs argv without standard input, its output into the file log; returns the exit code.

    on_line gets each line of output as it comes. An interrupted run ends the command first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        out.write(("$ " + " ".join(map(str, argv)) + "\n").encode())
        out.flush()
        try:
            process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       cwd=cwd, env=env)
        except FileNotFoundError as missing:
            out.write(f"{missing.filename}: not found\n".encode())
            return 127
        try:
            for raw in process.stdout:
                out.write(raw)
                if on_line:
                    on_line(raw.decode(errors="replace").rstrip("\n"))
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def step(name, argv, env=None, cwd=ROOT, quiet=False):
    """Runs argv as one step; raises Failed after printing the failing part.

    quiet: nothing at all is printed when it succeeds within a second.
    """
    log = LOGS / (re.sub(r"[^\w.-]+", "-", name) + ".log")
    progress = Progress(name)
    progress.show("")
    code = stream(argv, log, env=env, cwd=cwd, on_line=progress.show)
    progress.clear()
    if code != 0:
        say(f"  {name:<16} failed after {progress.seconds():.0f} s (exit code {code})\n")
        for line in excerpt(log):
            say("    " + line)
        say(f"\n  the whole log: {relative(log)}")
        raise Failed(name)
    if not quiet or progress.seconds() >= 1:
        say(f"  {name:<16} {progress.seconds():5.0f} s")
    return log
