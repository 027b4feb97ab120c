"""What a bare Debian 12 lacks: its packages, a newer Node, and the npm packages of our tests."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys

from steps import BUILD, ROOT, Failed, relative, say, step

PACKAGES = ROOT / "tools" / "packages.txt"
NODE = BUILD / "tools" / "node"
STAMP = ".holdfast-lock"
# What npm calls a kind of machine, by what uname calls it.
KINDS = {"x86_64": "x64", "aarch64": "arm64"}


def groups():
    """{group: [package]} of tools/packages.txt."""
    found, current = {}, None
    for line in PACKAGES.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        elif line:
            current.append(line)
    return found


def missing(names):
    """Those of names that dpkg does not have installed."""
    asked = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Package}\n", *names],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    have = {line.split()[1] for line in asked.stdout.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in have]


def wanted(names):
    """The packages of the groups that are to be installed on this machine."""
    all_groups = groups()
    # Another Node than Debian's brings its own npm and conflicts with Debian's: any npm will do.
    skip_node = shutil.which("npm") is not None
    return missing([package for name in names if not (name == "node" and skip_node)
                    for package in all_groups[name]])


def as_root():
    """What stands before a command that needs root."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        say("  packages are missing, and this is neither root nor is there a sudo")
        raise Failed("deps")
    # Asks for the password now, where it can be seen, and not from inside a captured step.
    ask = ["sudo", "-v"] if sys.stdin.isatty() else ["sudo", "-n", "-v"]
    if subprocess.run(ask).returncode != 0:
        raise Failed("deps")
    return ["sudo", "-n"]


def packages(names):
    """Installs what is missing of the groups; if nothing is, apt-get is not even called."""
    if not shutil.which("dpkg-query") or not shutil.which("apt-get"):
        say("  this is no Debian: tools/packages.txt lists what must be there; going on without")
        return
    lacking = wanted(names)
    if not lacking:
        return
    say(f"  installing {len(lacking)} Debian packages: {' '.join(lacking)}")
    apt = as_root() + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
                       "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    try:
        step("apt-get update", apt + ["update"])
    except Failed:
        say("  the package lists could not be brought up to date; trying with those there are")
    step("apt-get install", apt + ["install", "-y", "--no-install-recommends", *lacking])


def npm_ci(folder):
    """Brings node_modules to what the lock file says; does nothing when it is so already."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / STAMP
    if stamp.exists() and stamp.read_text() == lock:
        return
    # No package of ours needs an install script, so none may run one.
    step(f"npm ci {relative(folder)}",
         ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
         cwd=folder)
    # Without a dependency npm makes no folder at all.
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(lock)


def node():
    """Node 22 as build/tools/node/bin/node."""
    NODE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        source, copy = ROOT / "tools" / "node" / name, NODE / name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copyfile(source, copy)
    link = NODE / "bin" / "node"
    link.parent.mkdir(exist_ok=True)
    # Not by node_modules/.bin: Debian's npm 9 makes none here.
    kind = KINDS.get(platform.machine(), platform.machine())
    target = f"../node_modules/node-linux-{kind}/bin/node"
    if not link.is_symlink() or os.readlink(link) != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    if not link.exists():
        (NODE / "node_modules" / STAMP).unlink(missing_ok=True)
    npm_ci(NODE)
    if not link.exists():
        # One package a kind of machine means optional ones, and npm is silent when those fail.
        say("  npm brought no Node: the registry was not reached (try `npm ping`), or there is none"
            f"\n  for this kind of machine ({platform.machine()}; tools/node/package.json)")
        raise Failed("deps")


def locked_folders():
    """Folders of the tree with npm packages of their own: the tests' and the examples'."""
    found = []
    for top in ("e2e", "examples", "bench"):
        for folder, names, files in os.walk(ROOT / top):
            names[:] = sorted(n for n in names if n != "node_modules")
            if "package-lock.json" in files:
                found.append(ROOT / os.path.relpath(folder, ROOT))
    return found


def node_packages():
    node()
    for folder in locked_folders():
        npm_ci(folder)


def node_env(extra=None):
    """The environment in which `node` is the one that we installed."""
    path = f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **(extra or {})}
