"""What proves the rig itself: its disk loses what was not synced and keeps what was, and its judge
sees what a disk that lies about syncs does to Holdfast."""

import os

import judge
from disk import Disk
from process import RigError
from world import Broken, World

MEGABYTES = 128


def _write(path, sync):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        os.write(fd, b"x" * 100_000)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def _size(path):
    return path.stat().st_size if path.exists() else 0


def the_disk(folder):
    """Written and synced is there after a cut, written alone is not."""
    disk = Disk(folder, MEGABYTES)
    try:
        disk.up()
        _write(disk.mount / "synced", True)
        _write(disk.mount / "not-synced", False)
        disk.cut()
        disk.clear_away()
        disk.up()
        if _size(disk.mount / "synced") != 100_000:
            raise RigError("self-check: the disk has lost what was synced")
        if _size(disk.mount / "not-synced") != 0:
            raise RigError("self-check: the disk has kept what was not synced: it cannot lose")
        said = disk.down()
        if said:
            raise RigError(f"self-check: the file system is not whole: {said}")
    finally:
        disk.remove()


def the_judge(run, folder):
    """Oracles that speak when the disk ignores flushes: there must be some."""
    folder.mkdir()
    disk = Disk(folder / "disk", MEGABYTES)
    world = None
    try:
        world = World(run.program, folder, disk.mount / "data", f"{run.seed}/teeth")
        disk.up()
        world.start()
        world.wait_load(150)
        world.shut_out()
        world.holdfast.end()
        world.over()
        disk.down()
        disk.cache = "unsafe"
        disk.up()
        world.start()
        world.wait_load(300)
        disk.freeze()
        world.shut_out()
        disk.cut()
        world.kill(may_be_gone=True)
        disk.clear_away()
        disk.up()
        world.start()
        world.look()
        found = world.finish()
    except Broken as broken:
        found = [judge.Violation("start", "-", 0, str(broken))]
    finally:
        if world is not None:
            world.close()
        disk.remove()
    return found


def prove(run):
    the_disk(run.folder / "teeth-disk")
    run.report.say("self-check: what was synced is there after a cut, what was not is gone")
    found = the_judge(run, run.folder / "teeth-judge")
    oracles = sorted({violation.oracle for violation in found})
    if "absent-after-cut" not in oracles:
        raise RigError(f"self-check: a disk that lies about syncs was not seen: {oracles}")
    run.report.note(f"self-check: a disk that ignores flushes is seen: {len(found)} violations of "
                    f"{', '.join(oracles)}")
