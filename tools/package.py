"""./x package: a Debian package with its debug symbols, and a tarball that needs glibc alone.

Both are made from `cmake --install` of build/release into build/packages/, with dpkg's own tools,
and come out the same to the byte from the same commit (SOURCE_DATE_EPOCH).
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from steps import BUILD, ROOT, Failed, relative, say, step

RELEASE = BUILD / "release"
OUT = BUILD / "packages"
DEBIAN = ROOT / "packaging" / "debian"
MAINTAINER = "The authors of Holdfast <holdfast@packages.invalid>"
# Debian packages whose static libraries end up in a program, by program.
STATIC = {"holdfast": ("librocksdb-dev",),
          "holdfast-static": ("libbz2-dev", "libfmt-dev", "libgflags-dev", "libjemalloc-dev",
                              "liblz4-dev", "librocksdb-dev", "libsnappy-dev", "libsodium-dev",
                              "libspdlog-dev", "libssl-dev", "libstdc++-12-dev", "libyaml-cpp-dev",
                              "libzstd-dev", "zlib1g-dev")}
HEADERS = ("libboost1.81-dev", "libcli11-dev")


def asked(*argv, cwd=ROOT, env=None):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        say(f"  {argv[0]} failed: {done.stderr.strip()}")
        raise Failed(str(argv[0]))
    return done.stdout.strip()


def version():
    return re.search(r"project\(holdfast VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]


def epoch():
    """When everything in a package was last changed: told from outside, else the commit's time."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        return int(told)
    try:
        return int(asked("git", "log", "-1", "--format=%ct"))
    except (Failed, ValueError):
        say("  without git, SOURCE_DATE_EPOCH must say from when this is (seconds since 1970)")
        raise Failed("package") from None


def architecture():
    return asked("dpkg", "--print-architecture")


def deb_path():
    return OUT / f"holdfast_{version()}_{architecture()}.deb"


def dbgsym_path():
    return OUT / f"holdfast-dbgsym_{version()}_{architecture()}.deb"


def tarball_path():
    return OUT / f"holdfast-{version()}-linux-{os.uname().machine}.tar.gz"


def install(name, component, prefix):
    """A fresh folder with one component, as `cmake --install` lays it."""
    stage = OUT / name
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    step(f"install {name}", ["cmake", "--install", RELEASE, "--prefix", prefix,
                             "--component", component], env={**os.environ, "DESTDIR": str(stage)},
         quiet=True)
    return stage


def settle(stage):
    """Modes and times that do not depend on who packs, and when."""
    when = epoch()
    for path in sorted(stage.rglob("*"), reverse=True):
        if path.is_symlink():
            continue
        private = path.name == "holdfast.yaml" and path.parent.parent.name == "etc"
        runs = path.is_dir() or path.parent.name == "bin" or path.parent.name == "DEBIAN"
        if path.parent.name == "DEBIAN":
            runs = path.name in ("postinst", "prerm", "postrm")
        path.chmod(0o640 if private else 0o755 if runs else 0o644)
        os.utime(path, (when, when))
    stage.chmod(0o755)
    os.utime(stage, (when, when))


def write_gz(path, text):
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def source_of(package):
    """`SOURCE (= VERSION)` of an installed package."""
    return asked("dpkg-query", "-W", "-f=${source:Package} (= ${source:Version})", package)


def depends(stage):
    """The packages of the program's libraries. dpkg-shlibdeps wants to see a source tree."""
    scratch = OUT / "shlibdeps"
    (scratch / "debian").mkdir(parents=True, exist_ok=True)
    (scratch / "debian" / "control").write_text("Source: holdfast\n\nPackage: holdfast\n"
                                                "Architecture: any\n")
    found = asked("dpkg-shlibdeps", "-O", stage / "usr/bin/holdfast", cwd=scratch)
    return found.partition("shlibs:Depends=")[2]


def changelog():
    when = asked("date", "-u", "-R", "-d", f"@{epoch()}")
    return (f"holdfast ({version()}) bookworm; urgency=medium\n\n"
            f"  * As of the commit that it was built from.\n\n -- {MAINTAINER}  {when}\n")


def sums(stage):
    """{path inside: MD5} lines as dpkg wants them."""
    return "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(stage)}\n"
                   for path in sorted(stage.rglob("*"))
                   if path.is_file() and path.relative_to(stage).parts[0] not in ("DEBIAN", "etc"))


def control(template, stage, **values):
    size = sum((path.stat().st_size + 1023) // 1024 for path in stage.rglob("*") if path.is_file())
    values = {"VERSION": version(), "ARCH": architecture(), "MAINTAINER": MAINTAINER,
              "SIZE": str(size), **values}
    folder = stage / "DEBIAN"
    folder.mkdir()
    text = re.sub(r"@(\w+)@", lambda match: values[match[1]], (DEBIAN / template).read_text())
    (folder / "control").write_text(text)
    (folder / "md5sums").write_text(sums(stage))
    return folder


def pack(stage, out):
    settle(stage)
    # One thread: how many there are must not show in the file.
    step(out.name, ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", stage,
                    out], env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch())})


def make_deb():
    stage = install("deb", "program", "/usr")
    share = stage / "usr/share"
    page = share / "man/man1/holdfast.1"
    write_gz(page.with_suffix(".1.gz"), page.read_text())
    page.unlink()
    write_gz(share / "doc/holdfast/changelog.gz", changelog())
    overrides = share / "lintian/overrides/holdfast"
    overrides.parent.mkdir(parents=True)
    shutil.copyfile(DEBIAN / "lintian-overrides", overrides)
    folder = control("control", stage, DEPENDS=depends(stage),
                     STATIC=", ".join(source_of(name) for name in STATIC["holdfast"]))
    for name in ("conffiles", "postinst", "prerm", "postrm"):
        shutil.copyfile(DEBIAN / name, folder / name)
    pack(stage, deb_path())

    stage = install("dbgsym", "debug", "/usr")
    file = next(stage.rglob("*.debug"))
    docs = stage / "usr/share/doc"
    docs.mkdir(parents=True)
    (docs / "holdfast-dbgsym").symlink_to("holdfast")
    control("control.dbgsym", stage, BUILD_ID=file.parent.name + file.stem)
    pack(stage, dbgsym_path())


def make_tarball():
    stage = install("tarball", "program", "/usr/local")
    name = f"holdfast-{version()}"
    top = OUT / name
    shutil.rmtree(top, ignore_errors=True)
    (stage / "usr/local").rename(top)
    shutil.copyfile(RELEASE / "dist-static" / "holdfast", top / "bin" / "holdfast")
    docs = top / "share/doc/holdfast"
    # As an example: unpacking a newer one must not write over a configuration.
    shutil.copyfile(stage / "etc/holdfast/holdfast.yaml", docs / "examples/service.yaml")
    for package in sorted({*STATIC["holdfast-static"], *HEADERS}):
        notice = docs / "third-party" / f"{package}.copyright"
        notice.parent.mkdir(exist_ok=True)
        shutil.copyfile(f"/usr/share/doc/{package}/copyright", notice)
    parts = "\n".join(sorted({source_of(package) for package in STATIC["holdfast-static"]}))
    (docs / "third-party" / "VERSIONS").write_text(parts + "\n")
    listed = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(top)}\n"
                     for path in sorted(top.rglob("*")) if path.is_file())
    (top / "SHA256SUMS").write_text(listed)
    settle(top)
    when = epoch()

    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = when
        return info

    with open(tarball_path(), "wb") as raw, \
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=when) as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in [top, *sorted(top.rglob("*"))]:
            tar.add(path, arcname=str(path.relative_to(OUT)), recursive=False, filter=plain)


def list_sums(quiet):
    found = [path for path in sorted(OUT.iterdir()) if path.name.endswith((".deb", ".tar.gz"))]
    (OUT / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in found))
    for path in found if not quiet else ():
        say(f"  {relative(path)}  {path.stat().st_size / (1 << 20):.1f} MiB")


def make_container():
    """An image in the store of the engine that is there, from the tarball."""
    make_tarball()
    engine = next((name for name in ("podman", "buildah", "docker") if shutil.which(name)), None)
    if engine is None:
        say("  there is no podman, buildah or docker here; Containerfile says how to build by hand")
        raise Failed("container")
    step("container", [engine, "build", "--build-arg", f"TARBALL={relative(tarball_path())}",
                       "-f", "Containerfile", "-t", f"holdfast:{version()}", "."])
    say(f"  holdfast:{version()} is in the store of {engine}")


MAKERS = {"deb": make_deb, "tarball": make_tarball, "container": make_container}


USUAL = ("deb", "tarball")  # what every build can make


def make(kinds, quiet=False):
    OUT.mkdir(parents=True, exist_ok=True)
    for path in OUT.iterdir():
        if path.name.endswith((".deb", ".tar.gz")):
            path.unlink()
    for kind in kinds:
        MAKERS[kind]()
    list_sums(quiet)
