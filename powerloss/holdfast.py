"""The real `holdfast serve` with its journal in a given folder, and where its threads stand."""

import os
import re
import signal

from process import Child, RigError, run, wait_for

CONFIG = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
drain: 2s
journal: {{ path: "{journal}" }}
upstreams:
  keyed:
    url: {keyed}
    idempotency: {{ mode: key, header: Idempotency-Key, lifetime: 4h }}
    credentials: stored
    account: main
    timeouts: {{ connect: 2s, head: 2s }}
    breaker: {{ open: 100ms..200ms }}
  bare:
    url: {bare}
    credentials: stored
    account: main
    timeouts: {{ connect: 2s, head: 2s }}
    breaker: {{ open: 100ms..200ms }}
  asked:
    url: {bare}
    idempotency:
      mode: verify
      lookup:
        get: "/charges?ref={{form:ref}}"
        found: /data/0
        where: {{ /status: succeeded }}
        settle: 1s
        answer: /data/0
    credentials: stored
    account: main
    timeouts: {{ connect: 2s, head: 2s }}
    breaker: {{ open: 100ms..200ms }}
routes:
  - path: /live/
    strip_prefix: true
    upstream: keyed
    key: {{ from: [ {{ header: Idempotency-Key }} ] }}
    wait: 3s
    retry: {{ budget: 100% }}
  - path: /held/
    strip_prefix: true
    upstream: keyed
    key: {{ from: [ {{ form: "metadata[order]" }} ] }}
    hold: on_failure
    wait: 100ms
    retry: {{ held: {schedule}, budget: 100% }}
  - path: /once/
    strip_prefix: true
    upstream: bare
    key: {{ from: [ {{ header: Idempotency-Key }} ] }}
    wait: 3s
  - path: /kept/
    strip_prefix: true
    upstream: bare
    key: {{ from: [ {{ header: Idempotency-Key }} ] }}
    hold: always
    retry: {{ held: {schedule}, budget: 100% }}
  - path: /asked/
    strip_prefix: true
    upstream: asked
    key: {{ from: [ {{ form: ref }} ] }}
    hold: on_failure
    wait: 2s
    retry: {{ held: {schedule}, budget: 100% }}
"""
SCHEDULE = "[50ms, 100ms, 200ms" + ", 500ms" * 30 + "]"

# System calls by number, for the machines whose numbers we know.
CALLS = {
    "x86_64": {1: "write", 18: "pwrite", 74: "fsync", 75: "fdatasync", 77: "ftruncate",
               82: "rename", 87: "unlink", 202: "futex", 257: "openat", 277: "sync_file_range",
               285: "fallocate"},
    "aarch64": {64: "write", 68: "pwrite", 82: "fsync", 83: "fdatasync", 46: "ftruncate",
                38: "rename", 35: "unlink", 98: "futex", 56: "openat", 84: "sync_file_range",
                47: "fallocate"},
}.get(os.uname().machine, {})
ON_A_FILE = {"write", "pwrite", "fsync", "fdatasync", "ftruncate", "sync_file_range", "fallocate"}
ROLES = {"rocksdb:high": "flush", "rocksdb:low": "compaction", "journal": "journal", "sync": "sync"}


def write_config(path, journal, keyed, bare):
    path.write_text(CONFIG.format(journal=journal, keyed=keyed, bare=bare, schedule=SCHEDULE))


def kind_of(path):
    """What a file of the journal is for."""
    name = path.rsplit("/", 1)[-1].removesuffix(" (deleted)")
    for pattern, kind in ((r"\d+\.log", "log"), (r"\d+\.sst", "table"),
                          (r"MANIFEST-\d+", "manifest"),
                          (r"(CURRENT|IDENTITY|OPTIONS-\d+|\d+\.dbtmp)", "settings"),
                          (r"(db|data)", "folder"), (r"seal\.key.*|admin\.token.*", "key"),
                          (r"ballast", "ballast"), (r"LOG", "infolog")):
        if re.fullmatch(pattern, name):
            return kind
    return "other"


class Holdfast:
    """One life of the program."""

    def __init__(self, program, config, folder, name, under=()):
        """under: a command that runs it, such as strace."""
        self.config = config
        self.program = program
        self._child = Child([*under, program, "serve", "-c", config], folder, name)
        self._wrapped = bool(under)
        self.port = None

    @property
    def pid(self):
        """Of the program itself, also below a tracer. None: it is not there (any more)."""
        if not self._wrapped:
            return self._child.pid
        try:
            with open(f"/proc/{self._child.pid}/task/{self._child.pid}/children") as children:
                found = children.read().split()
        except OSError:
            return None
        return int(found[0]) if found else None

    def listening(self):
        """The port once it takes calls, else None."""
        if self.port is None:
            said = re.search(r"holdfast listening on http://[\d.]+:(\d+)\n", self._child.output())
            self.port = int(said[1]) if said else None
        return self.port

    def wait_ready(self, within=30.0):
        """Waits until it listens. False: it ended instead."""
        wait_for("holdfast listens, or ends", lambda: self.listening() or not self.alive(), within)
        return self.listening() is not None

    def admin(self):
        said = re.search(r"^admin on http://(\S+)$", self._child.output(), re.M)
        if not said:
            raise RigError("holdfast names no admin address")
        return said[1]

    def standing(self, state):
        """How many calls `holdfast calls list` shows in a state."""
        journal = re.search(r'journal: \{ path: "(.*)" \}', self.config.read_text())[1]
        listed = run(self.program, "calls", "list", "--state", state, "--json", "--admin",
                     self.admin(), "--token-file", f"{journal}/admin.token")
        return listed.count('"state":')

    def alive(self):
        return self._child.alive()

    def errors(self):
        return self._child.errors()

    def freeze(self):
        self._child.signal(signal.SIGSTOP)

    def kill(self):
        """kill -9, and only back when it is gone."""
        pid = self.pid
        if self._wrapped and pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            return self._child.wait()
        return self._child.kill()

    def wait(self, within=20.0):
        return self._child.wait(within)

    def end(self):
        return self._child.end()

    # ---- where it stands

    def threads(self):
        """{thread id: (role, call, kind of file)} of threads in a system call on a file."""
        found = {}
        pid = self.pid
        for tid in _listed(f"/proc/{pid}/task"):
            name = _read(f"/proc/{pid}/task/{tid}/comm").strip()
            role = ROLES.get(name, "start or sockets")
            parts = _read(f"/proc/{pid}/task/{tid}/syscall").split()
            if not parts or parts[0] == "running":
                continue
            call = CALLS.get(int(parts[0]))
            kind = "a name"
            if call in ON_A_FILE:
                kind = kind_of(_link(f"/proc/{pid}/fd/{int(parts[1], 16)}"))
            # Not a socket, and not the log on stderr.
            if call not in (None, "futex") and kind != "other":
                found[int(tid)] = (role, call, kind)
        return found

    def table_being_written(self):
        """Whether a table file is being made: a flush or a compaction is on its way."""
        pid = self.pid
        for fd in _listed(f"/proc/{pid}/fd"):
            if _link(f"/proc/{pid}/fd/{fd}").endswith(".sst"):
                flags = re.search(r"flags:\s*(\d+)", _read(f"/proc/{pid}/fdinfo/{fd}"))
                if flags and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
        return False

    def busy(self, role):
        """Whether the thread of "flush" or "compaction" does anything but wait for work."""
        tid = self.tid_of(role)
        parts = _read(f"/proc/{self.pid}/task/{tid}/syscall").split() if tid else []
        return bool(parts) and (parts[0] == "running" or CALLS.get(int(parts[0])) != "futex")

    def log_file(self):
        """The newest log of the journal: what commits are appended to."""
        found = [_link(f"/proc/{self.pid}/fd/{fd}") for fd in _listed(f"/proc/{self.pid}/fd")]
        return max(path for path in found if kind_of(path) == "log")

    def tid_of(self, role):
        """The thread of a role of ROLES. None: not (yet) there."""
        for tid in _listed(f"/proc/{self.pid}/task"):
            if ROLES.get(_read(f"/proc/{self.pid}/task/{tid}/comm").strip()) == role:
                return int(tid)
        return None


def _listed(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""
