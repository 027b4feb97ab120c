"""A Debian 12 with nothing on it, made by debootstrap below build/, and running things in it.

Which mirror is used is what this machine's apt uses. Everything needs root; what runs in a root
sees its own processes and mounts, and they are gone when it ends.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from steps import BUILD, LOGS, Failed, say, step

SUITE = "bookworm"
ROOTS = BUILD / "packages-test"
BASE = ROOTS / "base"
KEEP_DAYS = 7
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A cgroup of our own, in each hierarchy that is mounted here.
CGROUPS = Path("/sys/fs/cgroup")


def mirror():
    """The place that this machine's apt has the suite from."""
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)",
                            "Identifier: Packages"], capture_output=True, text=True)
    for line in asked.stdout.splitlines():
        uri, _, suite = line.partition(" ")
        if suite == SUITE:
            return uri
    say(f"  apt on this machine has no {SUITE} to make a clean root of")
    raise Failed("clean root")


def base():
    """The minimal system, made anew when it is a week old."""
    stamp = BASE / ".holdfast-made"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < KEEP_DAYS * 86400:
        return BASE
    shutil.rmtree(BASE, ignore_errors=True)
    ROOTS.mkdir(parents=True, exist_ok=True)
    draft = ROOTS / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    step("debootstrap", ["debootstrap", "--variant=minbase", SUITE, draft, mirror()])
    (draft / ".holdfast-made").touch()
    draft.rename(BASE)
    return BASE


def fresh(name):
    """A copy of the minimal system, with the network and apt of this machine."""
    root = ROOTS / name
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", base(), root], check=True)
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(file, root / file[1:])
    return root


def with_apt(root):
    """Gives the root this machine's Debian sources, and what apt needs to reach them."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    sources = root / "etc/apt/sources.list.d/machine.list"
    listed = subprocess.run(["apt-get", "indextargets", "--format",
                             "deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(CODENAME)",
                             "Identifier: Packages"], capture_output=True, text=True, check=True)
    lines = {line.partition("|")[0] for line in listed.stdout.splitlines()
             if line.partition("|")[2].startswith(SUITE)}
    sources.write_text("\n".join(sorted(lines)) + "\n")
    # Proxies and time-outs; hooks of this machine's own tools are not meant for the root.
    dumped = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    (root / "etc/apt/apt.conf.d/90machine").write_text("\n".join(
        line for line in dumped.stdout.splitlines()
        if line.startswith(("Acquire::http", "Acquire::https", "Acquire::Check-"))) + "\n")
    run(root, "apt-get -q update")


def isolated(*more):
    return ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
            "--propagation", "private", *more]


def _in_chroot(root, *argv):
    enter = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    return [*isolated(), "sh", "-c", enter, str(root), *argv]


# How a script runs in a root, whatever this machine's environment is.
BARE = ["env", "-i", "--chdir=/", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8",
        "DEBIAN_FRONTEND=noninteractive", "sh", "-euc"]


def _outcome(argv, script, check):
    """(exit code, output) of a command that runs the script; the log has both."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / "clean-root.log", "a", encoding="utf-8") as log:
        log.write(f"$ {script}\n{done.stdout}")
    if check and done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {script}\n{done.stdout[-4000:]}")
    return done.returncode, done.stdout


def run(root, script, check=True):
    """A script of sh in the root; returns (exit code, output)."""
    return _outcome(_in_chroot(root, *BARE, script), script, check)


def start(root, *argv):
    """A command that goes on running; its output is a pipe."""
    return subprocess.Popen(_in_chroot(root, "env", "-i", f"PATH={PATH}", *argv),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


# The mounts of a container, as far as systemd asks for them (its CONTAINER_INTERFACE page).
BOOT = r"""
set -e
cd /
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified" || rmdir "$root/sys/fs/cgroup/unified"
fi
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s pts/ptmx "$root/dev/ptmx"
# Not a chroot: systemd makes mount namespaces from what really is the root.
mkdir -p "$root/.old"
cd "$root"
pivot_root . .old
exec env -i PATH="$2" container=holdfast-test chroot . /bin/sh -c \
  'umount -l /.old && mount --make-rshared / && exec /lib/systemd/systemd'
"""


class Machine:
    """A root whose first process is systemd, with a network of its own: a loopback alone."""

    def __init__(self, root):
        self.root = root
        self._groups = []
        enter = "".join(f"echo $$ > '{group}/cgroup.procs'; " for group in self._make_groups())
        self._boot = subprocess.Popen(
            ["sh", "-c", enter + 'exec "$@"', "sh", *isolated("--net", "--cgroup"), "sh", "-c",
             BOOT, "sh", str(root), PATH],
            stdin=subprocess.DEVNULL, stdout=open(LOGS / "clean-root-boot.log", "wb"),
            stderr=subprocess.STDOUT)
        self._pid = None

    def _make_groups(self):
        tops = [top for top in (CGROUPS, CGROUPS / "systemd", CGROUPS / "unified")
                if (top / "cgroup.procs").exists()]
        for top in tops:
            group = top / f"holdfast-test-{os.getpid()}"
            group.mkdir(exist_ok=True)
            self._groups.append(group)
        return self._groups

    def wait(self, within=60):
        """Until systemd has started what it starts."""
        end = time.monotonic() + within
        while time.monotonic() < end and self._boot.poll() is None:
            self._pid = self._pid or self._first()
            if self._pid and self.run("systemctl is-system-running", check=False)[1].strip() in (
                    "running", "degraded"):
                return self
            time.sleep(0.2)  # sleep: between two looks at whether it is up
        self.stop()
        log = (LOGS / "clean-root-boot.log").read_text(errors="replace")
        raise AssertionError(f"systemd did not come up in {self.root}\n{log[-4000:]}")

    def _first(self):
        children = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children")
        found = children.read_text().split() if children.exists() else []
        for pid in found:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return int(pid)
        return None

    def run(self, script, check=True):
        """A script of sh beside systemd; returns (exit code, output)."""
        return _outcome(["nsenter", "-t", self._pid, "-a", "-r", *BARE, script], script, check)

    def in_network(self, *argv):
        """A command of this machine that sees the root's network."""
        return ["nsenter", "-t", str(self._pid), "-n", *map(str, argv)]

    def properties(self, unit, *names):
        text = self.run(f"systemctl show {unit} -p {','.join(names)}")[1]
        return dict(line.partition("=")[::2] for line in text.splitlines())

    def stop(self):
        self._boot.kill()  # --kill-child: the first process goes with it, and all others
        self._boot.wait()
        for group in self._groups:
            for inner in sorted(group.rglob("*"), reverse=True):
                if inner.is_dir():
                    _remove(inner)
            _remove(group)


def _remove(group):
    for _ in range(50):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.1)  # sleep: the kernel takes a moment to empty a cgroup
        except FileNotFoundError:
            return
