"""Processes of a run: each is started by us, ended by its id, and gone when the run is."""

import contextlib
import os
import shutil
import signal
import subprocess
import time


class RigError(Exception):
    """The rig itself could not do its work: nothing is said about Holdfast."""


def wait_for(what, condition, within=20.0, every=0.002):
    """Asks until the answer is truthy and returns it. RigError after `within` seconds."""
    end = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise RigError(f"not within {within:g} s: {what}")
        time.sleep(every)  # sleep: the time between two looks at a condition


def run(*argv, check=True):
    """Runs a short command to its end; its output as text. RigError with what it said."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise RigError(f"{' '.join(map(str, argv))}: exit code {done.returncode}: {said}")
    return done.stdout


class Child:
    """One process. Its output goes to files, so that no full pipe ever stops it."""

    started = []  # all of them, for the end of a run that was interrupted anywhere

    def __init__(self, argv, folder, name, env=None):
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            # A session of its own: an interrupt from the terminal is for the rig alone, which
            # then takes things down in their order.
            self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err, start_new_session=True,
                                            env={**os.environ, **(env or {})})
        self.pid = self.process.pid
        Child.started = [each for each in Child.started if each.alive()] + [self]

    def alive(self):
        return self.process.poll() is None

    def output(self):
        return self.out_path.read_text(errors="replace")

    def errors(self):
        return self.err_path.read_text(errors="replace")

    def signal(self, which):
        """Sends a signal; a process that is already gone is no error."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(which)

    def wait(self, within=20.0):
        """The exit code; RigError when it does not end."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise RigError(f"process {self.pid} ({self.out_path.stem}) does not end") from None

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def end(self, within=10.0):
        """SIGTERM, and SIGKILL for one that does not listen."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            return self.kill()


def leave_nothing(folder):
    """Ends what still runs and unmounts what is still mounted below a run's folder: nothing, where
    everything was taken down in its order."""
    for child in Child.started:
        with contextlib.suppress(RigError):
            child.kill()
    with open("/proc/self/mounts") as table:
        mounted = [line.split()[1] for line in table if line.split()[1].startswith(f"{folder}/")]
    for path in reversed(mounted):
        run("umount", "-l", path, check=False)
    if shutil.which("losetup"):
        for line in run("losetup", "-l", "-n", "-O", "NAME,BACK-FILE", check=False).splitlines():
            if f" {folder}/" in line:
                run("losetup", "-d", line.split()[0], check=False)
