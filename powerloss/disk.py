"""A disk whose power can be cut.

    disk.img  <-  nbdkit (cache=writeback)  <-  nbdfuse  <-  loop device  <-  ext4

What is written stands in nbdkit's cache until it is flushed. kill -9 of nbdkit forgets the cache:
what was synced is on the image, what was not is gone. A real disk may also have kept any part of
what was not synced, in any order: a `share` of it is put on the image before the kill.
"""

import errno
import os
import shutil
import signal

from process import Child, RigError, run, wait_for

BLOCK = 4096
TOOLS = ("nbdkit", "nbdfuse", "losetup", "mkfs.ext4", "e2fsck", "mount", "umount", "fusermount3")


def why_not():
    """Why no such disk can be had on this machine, in one line; None where it can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"not installed: {' '.join(lacking)}"
    if os.geteuid() != 0:
        return "mounting needs root"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(device):
            return f"there is no {device}"
        try:
            os.close(os.open(device, os.O_RDWR))
        except OSError as error:
            return f"{device}: {error.strerror}"
    return None


class Disk:
    """One image and the stack on it. folder: the disk's own; the file system is at `.mount`.

    cache: nbdkit's mode; "unsafe" makes a disk that lies about flushes. latency_ms: what every
    write takes, so that more of them are between the cache and the flush at any moment.
    """

    def __init__(self, folder, megabytes, cache="writeback", latency_ms=0):
        self.folder = folder
        self.latency_ms = latency_ms
        self.image = folder / "disk.img"
        self.mount = folder / "mnt"
        self.cache = cache
        self._fuse = folder / "fuse"
        self._temporary = folder / "cache"
        self._loop = None
        self._mounted = False
        self._nbdkit = None
        self._nbdfuse = None
        for path in (self.mount, self._fuse, self._temporary):
            path.mkdir(parents=True)
        with open(self.image, "wb") as image:
            image.truncate(megabytes << 20)
        run("mkfs.ext4", "-q", "-F", "-b", BLOCK, "-E",
            "lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.image)

    # ---- up and down

    def up(self):
        """Puts the stack up; ext4 replays its journal as it is mounted."""
        self.plug_in()
        self.mount_it()

    def plug_in(self):
        """The stack up to the loop device."""
        socket = self.folder / "nbd.sock"
        socket.unlink(missing_ok=True)
        self._nbdkit = Child(
            ["nbdkit", "-f", "-U", socket, "--filter=error", "--filter=delay", "--filter=cache",
             "file", self.image, f"cache={self.cache}", f"cache-min-block-size={BLOCK}",
             f"wdelay={self.latency_ms}ms",
             "error-pwrite-rate=100%", f"error-pwrite-file={self._toggle('write')}",
             "error-pread-rate=100%", f"error-pread-file={self._toggle('read')}"],
            self.folder, "nbdkit", {"TMPDIR": str(self._temporary)})
        wait_for("nbdkit listens", lambda: socket.exists() or not self._nbdkit.alive())
        if not self._nbdkit.alive():
            raise RigError(f"nbdkit: {self._nbdkit.errors()}")
        target = self._fuse / "disk"
        target.touch()
        self._nbdfuse = Child(["nbdfuse", target, "--unix", socket], self.folder, "nbdfuse")
        wait_for("nbdfuse is mounted", lambda: self._size_of(target) == self._size_of(self.image))
        self._loop = run("losetup", "-f", "--show", target).strip()

    def mount_it(self):
        run("mount", "-t", "ext4", self._loop, self.mount)
        self._mounted = True

    def begin_mount(self):
        """Mounts without waiting for it: for a cut in the middle of it."""
        return Child(["mount", "-t", "ext4", self._loop, self.mount], self.folder, "mount")

    def cut(self, rng=None, share=0.0):
        """The power goes: what is in the cache is lost but for a drawn `share` of its blocks.

        Returns how many blocks were not yet flushed, and how many of them were kept. The stack
        is down then, but for what `clear_away` takes down.
        """
        self.freeze()
        unflushed = self._unflushed()
        kept = [block for block in unflushed if rng is not None and rng.random() < share]
        self._keep(kept)
        self._nbdkit.kill()
        return len(unflushed), len(kept)

    def freeze(self):
        """The disk stands still: from this moment on nothing of it changes."""
        self._nbdkit.signal(signal.SIGSTOP)

    def clear_away(self):
        """Takes down what is still up, in its order. May be called at any time, and twice."""
        if self._mounted or os.path.ismount(self.mount):
            self._unmount(self.mount)
            self._mounted = False
        if self._loop:
            run("losetup", "-d", self._loop, check=False)
            self._loop = None
        if self._nbdfuse:
            # Unmounting ends a healthy one; one without its server is beyond listening.
            run("fusermount3", "-u", "-z", self._fuse / "disk", check=False)
            self._nbdfuse.kill()
            self._nbdfuse = None
        if self._nbdkit:
            self._nbdkit.kill()
            self._nbdkit = None

    def down(self):
        """A clean end: everything is flushed. Returns what e2fsck has to say, empty if nothing."""
        run("umount", self.mount)
        self._mounted = False
        run("losetup", "-d", self._loop)
        self._loop = None
        run("fusermount3", "-u", self._fuse / "disk")
        self._nbdfuse.wait()
        self._nbdfuse = None
        self._nbdkit.end()
        self._nbdkit = None
        return self.check()

    def check(self):
        try:
            run("e2fsck", "-f", "-n", self.image)
        except RigError as error:
            return str(error)
        return ""

    def remove(self):
        self.clear_away()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- faults

    def fail(self, which):
        """From now on every "read" or "write" that reaches the disk ends with EIO."""
        self._toggle(which).touch()

    def heal(self):
        for which in ("read", "write"):
            self._toggle(which).unlink(missing_ok=True)

    # ---- within

    def _toggle(self, which):
        return self.folder / f"fail-{which}"

    @staticmethod
    def _size_of(path):
        try:
            return os.stat(path).st_size
        except OSError:
            return -1

    @staticmethod
    def _unmount(path):
        # Nobody uses it any more; but if somebody does, it must still go from the tree.
        if b"busy" in _quietly("umount", path):
            run("umount", "-l", path)

    def _cache_file(self):
        """nbdkit's cache: a deleted file of the size of the disk, its blocks at their places."""
        table = f"/proc/{self._nbdkit.pid}/fd"
        for name in os.listdir(table):
            target = os.readlink(f"{table}/{name}")
            if target.startswith(str(self._temporary)):
                return f"{table}/{name}"
        raise RigError("nbdkit has no cache file")

    def _unflushed(self):
        """Blocks that stand in the cache otherwise than on the image."""
        found = []
        with open(self._cache_file(), "rb") as cache, open(self.image, "rb") as image:
            size, at = os.fstat(image.fileno()).st_size, 0
            while at < size:
                try:
                    at = os.lseek(cache.fileno(), at, os.SEEK_DATA)
                    end = min(os.lseek(cache.fileno(), at, os.SEEK_HOLE), size)
                except OSError as error:
                    if error.errno == errno.ENXIO:  # no data behind this place
                        break
                    raise
                ours = os.pread(cache.fileno(), end - at, at)
                there = os.pread(image.fileno(), end - at, at)
                found += [at + i for i in range(0, len(ours), BLOCK)
                          if ours[i:i + BLOCK] != there[i:i + BLOCK]] if ours != there else []
                at = end
        return found

    def _keep(self, blocks):
        with open(self._cache_file(), "rb") as cache, open(self.image, "r+b") as image:
            for at in blocks:
                os.pwrite(image.fileno(), os.pread(cache.fileno(), BLOCK, at), at)


def _quietly(*argv):
    try:
        run(*argv)
    except RigError as error:
        return str(error).encode()
    return b""
