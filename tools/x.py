"""./x: the one entry point. Every command installs what it lacks, is quiet when all is well, and
prints the failing part when not (logs: build/log/). `./x help` lists the commands."""

import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import deps
import package
from steps import BUILD, LOGS, ROOT, Failed, Progress, relative, say, step, stream

PRESETS = ("dev", "release", "asan", "tsan", "fuzz")
# One preset for demo, tests and bench, so that a newcomer builds once.
MAIN = "release"
# The layers without I/O: what CI runs under the address sanitizer.
CORE = ("base", "policy", "http1", "call", "engine", "review", "sim")
# Groups of packages that only one command needs.
LATER = ("bench", "package", "package-test", "powerloss")
CI_SECONDS = 75 * 60
FUZZ_SECONDS = 60
SIM_MINUTES = 2  # of fresh worlds in every ci

HELP = """\
Holdfast. Every command installs what it lacks (Debian packages and npm only).

  ./x demo [NAME] [--list]       the main job as a play: a shop, faults, an outage; about a minute
  ./x test [FILTER]              build and run the tests (FILTER: a regular expression on names)
  ./x build [PRESET] [TARGET..]  build build/PRESET/ (release; dev, asan, tsan, fuzz)
  ./x sim [ARGS..]               the simulator: the real engine in virtual time, from a seed;
                                 --minutes M, --seed N --shortest, --bug NAME|all, --list-bugs
  ./x powerloss [ARGS..]         cut the power of a real disk, kill -9, full disks (--help; root)
  ./x bench [ARGS..]             measure beside HAProxy and nginx (installs both, and wrk)
  ./x asan|tsan [FILTER]         build with sanitizers and run the tests
  ./x fuzz [TARGET] [--seconds N]  fuzz one target for N seconds (60); without one: list them
  ./x fmt [--check]              format the C++ sources, or say which are not
  ./x tidy [--clang [FILE..]]    the style test; --clang: clang-tidy, on FILEs or on all
  ./x package [KIND..] [--test]  build/packages/: deb, tarball, container (deb and tarball);
                                 --test: in a clean Debian, with systemd (root)
  ./x golden --update            write the golden files anew from what the tests produce now
  ./x ci                         all that CI runs: fmt, tidy, build, sanitizers of the core, two
                                 minutes of fresh worlds, tests, the packages in a clean root
  ./x deps [GROUP..]             install only (all groups of tools/packages.txt but the last four)
  ./x budget                     what the last build spent its time on
  ./x doctor                     what is on this machine and what is missing
  ./x clean [--all]              remove build/ (keeps the installed Node; --all: that and npm's too)

Examples:
  ./x demo                       both columns of the README, on your machine
  ./x demo surge                 ten times the traffic; notify: 10,000 users, a slow mail provider
  ./x test policy.               the tests of one layer
  ./x test 'Breaker|Budget'
  ./x build dev hf_call_test && build/dev/hf_call_test --gtest_filter='KeyTable.*'
  ./x sim --seeds 10000          ./x sim --seed 42 --trace
  ./x fuzz request_head --seconds 300
"""


def usage(text):
    say(f"x: {text}\n   ./x help lists the commands")
    raise Failed("usage")


def jobs():
    return len(os.sched_getaffinity(0))


def files(*suffixes):
    """Our own files (tracked, or new and not ignored) with one of the suffixes."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split("\0")
    return [f for f in sorted(set(listed)) if f.endswith(suffixes) and (ROOT / f).is_file()]


def build(preset=MAIN, targets=()):
    if preset not in PRESETS:
        usage(f"no preset {preset!r}; there are {', '.join(PRESETS)}")
    deps.packages(["build", "clang"] if preset == "fuzz" else ["build"])
    ninja, presets = BUILD / preset / "build.ninja", ROOT / "CMakePresets.json"
    # Later changes of CMake's own files are ninja's business; it does not know of the presets.
    if not ninja.exists() or ninja.stat().st_mtime < presets.stat().st_mtime:
        step(f"configure {preset}", ["cmake", "--preset", preset])
        ninja.touch()
    step(f"build {preset}", ["ninja", "-C", BUILD / preset, "-j", str(jobs()), *targets],
         quiet=True)


def program(name):
    return BUILD / MAIN / name


def hand_over(argv, env=None):
    """Becomes the command: its output, its input, its exit code."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execvpe(str(argv[0]), [str(a) for a in argv], env or os.environ)


def ctest(preset, name, pattern=None, env=None, show_summary=True, skip=None):
    """Runs the tests of a preset. Prints the output of failed ones, then ctest's own summary."""
    progress = Progress(name)
    summary = []

    def on_line(line):
        passed = re.match(r"\s*\d+/\d+ Test\s+#\d+: .*Passed", line)
        if passed or re.match(r"\s*Start\s+\d+: ", line):
            progress.show(line.strip())
            return
        if summary or re.search(r"tests passed, \d+ tests? failed out of|^No tests were", line):
            summary.append(line)
            return
        if line.startswith(("Test project ", "Internal ctest ")) or not line.strip():
            return
        progress.clear()
        say("    " + line)

    log = LOGS / f"{name}.log"
    argv = ["ctest", "--preset", preset, "--output-on-failure", "--no-tests=error",
            "-j", str(max(2, jobs()))] + (["-R", pattern] if pattern else [])
    argv += ["-E", skip] if skip else []
    code = stream(argv, log, env=deps.node_env(env), on_line=on_line)
    progress.clear()
    if code == 0 and not show_summary:
        count = summary[0].split("out of")[-1].strip()
        say(f"  {name:<16} {progress.seconds():5.0f} s  {count} tests")
        return
    say(f"  {name:<16} {progress.seconds():5.0f} s" + ("" if code == 0 else "  FAILED"))
    if code != 0:
        say(f"  the whole log: {relative(log)}")
    say("\n".join(summary))
    if code != 0:
        raise Failed(name)


def cmd_help(_):
    say(HELP.rstrip())


def cmd_deps(args):
    known = deps.groups()
    for group in args:
        if group not in known:
            usage(f"no group {group!r} in tools/packages.txt; there are {', '.join(known)}")
    chosen = args or [g for g in known if g not in LATER]
    deps.packages(chosen)
    if "node" in chosen:
        deps.node_packages()


def cmd_build(args):
    build(args[0] if args else MAIN, args[1:])


def prepare_tests():
    deps.packages(["build", "test", "node"])
    deps.node_packages()


def cmd_test(args):
    if len(args) > 1:
        usage("test takes one filter; join several with |")
    prepare_tests()
    build(MAIN)
    ctest(MAIN, "test", args[0] if args else None)


def sanitized(preset, args):
    if len(args) > 1:
        usage(f"{preset} takes one filter; join several with |")
    prepare_tests()
    build(preset)
    ctest(preset, f"test {preset}".replace(" ", "-"), args[0] if args else None)


def cmd_demo(args):
    play = ROOT / "examples" / "demo" / "demo.mjs"
    prepare_tests()
    if "--list" not in args:
        build(MAIN, ["holdfast"])
    hand_over([deps.NODE / "bin" / "node", play, *args],
              deps.node_env({"HOLDFAST": str(program("holdfast").relative_to(ROOT))}))


def cmd_sim(args):
    build(MAIN, ["holdfast-sim"])
    hand_over([program("holdfast-sim"), *args])


def cmd_powerloss(args):
    if not {"-h", "--help"} & set(args):
        deps.packages(["build", "powerloss"])
        build(MAIN, ["holdfast"])
    hand_over([sys.executable, "-B", ROOT / "powerloss" / "run.py", *args])


def fresh_worlds():
    """Worlds that nobody has seen yet; the first of their seeds is printed before they run."""
    start = random.SystemRandom().randrange(1 << 32, 1 << 48)
    say(f"  fresh worlds     from seed {start} on, for {SIM_MINUTES} minutes")
    progress = Progress("sim")
    log = LOGS / "sim.log"
    code = stream([program("holdfast-sim"), "--minutes", str(SIM_MINUTES), "--start", str(start)],
                  log)
    lines = log.read_text(errors="replace").splitlines()
    if code != 0:
        say("\n".join("    " + line for line in lines[1:]))
        say(f"  sim              {progress.seconds():5.0f} s  FAILED")
        raise Failed("sim")
    say(f"  sim              {progress.seconds():5.0f} s  {lines[-2].split(', effects')[0]}")
    say("                          " + lines[-1])


def cmd_bench(args):
    if deps.wanted(["bench"]):
        say("  bench compares with HAProxy and nginx; Debian's packages start them as services:\n"
            "  `systemctl disable --now haproxy nginx` stops that, bench runs its own copies")
    deps.packages(["build", "bench"])
    build(MAIN)
    hand_over(["python3", "-B", ROOT / "bench" / "bench.py", *args])


def fuzz_targets():
    return sorted(p.stem.removesuffix("_fuzz") for p in (ROOT / "fuzz").rglob("*_fuzz.cc"))


def cmd_fuzz(args):
    seconds, names = FUZZ_SECONDS, []
    rest = iter(args)
    for arg in rest:
        if arg == "--seconds" or arg.startswith("--seconds="):
            value = arg.partition("=")[2] or next(rest, "")
            if not value.isdigit() or int(value) == 0:
                usage("--seconds wants a number above 0")
            seconds = int(value)
        else:
            names.append(arg)
    if not names:
        say("\n".join(fuzz_targets()) or "there are no fuzz targets")
        return
    for name in names:
        if name.removesuffix("_fuzz") not in fuzz_targets():
            usage(f"no fuzz target {name!r}; there are: {' '.join(fuzz_targets())}")
    names = [name.removesuffix("_fuzz") for name in names]
    build("fuzz", [f"hf_fuzz_{name}" for name in names])
    for name in names:
        # New inputs go to build/, so that the corpus in the tree grows only by decision.
        found = BUILD / "fuzz-found" / name
        found.mkdir(parents=True, exist_ok=True)
        program = next((BUILD / "fuzz").rglob(f"hf_fuzz_{name}"))
        step(f"fuzz {name}", [program, f"-max_total_time={seconds}", "-timeout=10",
                              "-rss_limit_mb=2048", f"-artifact_prefix={found}/crash-", found,
                              ROOT / "fuzz" / "corpus" / name])


def cmd_fmt(args):
    if args not in ([], ["--check"]):
        usage("fmt takes --check or nothing")
    deps.packages(["style"])
    sources = files(".cc", ".h")
    if not sources:
        return
    tool = ["clang-format-14", "--style=file"]
    if not args:
        step("fmt", tool + ["-i", *sources])
        return
    bad = []
    progress = Progress("fmt --check")
    log = LOGS / "fmt.log"

    def on_line(line):
        if "[-Wclang-format" in line:
            bad.append(line.split(":")[0])

    code = stream(tool + ["--dry-run", *sources], log, on_line=on_line)
    if code != 0 and not bad:
        say("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        raise Failed("fmt")
    if bad:
        say(f"  {'fmt --check':<16} {len(set(bad))} of {len(sources)} files are not formatted"
            " (./x fmt does it):")
        say("\n".join("    " + f for f in sorted(set(bad))))
        raise Failed("fmt")
    say(f"  {'fmt --check':<16} {progress.seconds():5.0f} s")


def clang_tidy(args):
    deps.packages(["build", "clang"])
    build(MAIN)
    sources = args or [f for f in files(".cc") if f.startswith(("src/", "sim/"))]
    step("clang-tidy", ["run-clang-tidy-14", "-quiet", "-p", BUILD / MAIN, "-j", str(jobs()),
                        "-extra-arg=-Wno-unknown-warning-option",
                        *(f"^{re.escape(str(ROOT / f))}$" for f in sources)])


def cmd_tidy(args):
    if args[:1] == ["--clang"]:
        clang_tidy(args[1:])
    elif args:
        usage("tidy takes --clang [FILE..] or nothing")
    elif subprocess.run([sys.executable, "-B", ROOT / "tools" / "tidy.py"]).returncode != 0:
        raise Failed("tidy")


def cmd_golden(args):
    if args != ["--update"]:
        usage("golden wants --update")
    prepare_tests()
    build(MAIN)
    ctest(MAIN, "golden", "[Gg]olden", {"HOLDFAST_UPDATE_GOLDEN": "1"})
    say("look at `git diff` before you commit them")


def cmd_package(args):
    kinds = [arg for arg in args if arg != "--test"]
    for kind in kinds:
        if kind not in package.MAKERS:
            usage(f"no package {kind!r}; there are {', '.join(package.MAKERS)}")
    kinds = kinds or package.USUAL
    # A container that builds the tarball needs no more than the build does.
    deps.packages(["build", *(["package"] if "deb" in kinds else [])])
    build(MAIN, ["dist", "dist-static"])
    if "--test" not in args:
        package.make(kinds)
        return
    deps.packages(["package", "package-test"])
    package.make(package.USUAL)
    if os.geteuid() != 0 and not os.environ.get("CI"):
        say("  the test in a clean root was skipped: it needs root (sudo ./x package --test)")
        return
    done = subprocess.run([sys.executable, "-B", ROOT / "packaging" / "clean_root_test.py"])
    if done.returncode != 0:
        say("  the whole log: build/log/clean-root.log")
        raise Failed("package")


def core_under_asan():
    there = [layer for layer in CORE
             if any((ROOT / (layer if layer == "sim" else f"src/{layer}")).rglob("*_test.cc"))]
    build("asan", [f"hf_{layer}_test" for layer in there])
    # The hunts for planted bugs test the oracles, and take as many worlds as they take.
    ctest("asan", "test-asan-core", rf"^({'|'.join(there)})\.", show_summary=False,
          skip=r"PlantedBugTest|^sim\.Probes\.")


def cmd_ci(_):
    start = time.monotonic()
    failed = []

    def part(name, function, *args):
        try:
            function(*args)
        except Failed:
            failed.append(name)

    # The rest makes no sense without these; a Failed ends the run.
    deps.packages(["build", "test", "style", "node", "package", "package-test"])
    deps.node_packages()
    part("fmt", cmd_fmt, ["--check"])
    part("tidy", cmd_tidy, [])
    build(MAIN)
    part("asan", core_under_asan)
    part("sim", fresh_worlds)
    part("test", ctest, MAIN, "test")
    part("package", cmd_package, ["--test"])
    seconds = time.monotonic() - start
    if seconds > CI_SECONDS:
        say(f"  ci took {seconds / 60:.0f} minutes; its limit is {CI_SECONDS // 60}")
    if failed:
        say(f"  ci: failed: {', '.join(failed)}")
        raise Failed("ci")


def cmd_budget(_):
    hand_over([sys.executable, "-B", ROOT / "tools" / "budget.py"])


def version(argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return (done.stdout or done.stderr).splitlines()[0]
    except (OSError, IndexError):
        return "-"


def cmd_doctor(_):
    say(f"machine     {platform.platform()}, {jobs()} CPUs,"
        f" {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB,"
        f" {shutil.disk_usage(ROOT).free >> 30} GiB free here")
    for name, argv in (("python3", [sys.executable, "--version"]), ("g++", ["g++", "--version"]),
                       ("clang", ["clang++-14", "--version"]), ("cmake", ["cmake", "--version"]),
                       ("ninja", ["ninja", "--version"]), ("ld.lld", ["ld.lld", "--version"]),
                       ("npm", ["npm", "--version"]), ("git", ["git", "--version"]),
                       ("our node", [str(deps.NODE / "bin" / "node"), "--version"])):
        say(f"{name:<11} {version(argv)}")
    if not shutil.which("dpkg-query"):
        say("packages    this is no Debian: see tools/packages.txt")
        return
    for group in deps.groups():
        say(f"{group:<11} missing: {' '.join(deps.wanted([group])) or 'nothing'}")
    for preset in PRESETS:
        if (BUILD / preset / "build.ninja").exists():
            say(f"build/{preset:<8} configured")


def cmd_clean(args):
    if args not in ([], ["--all"]):
        usage("clean takes --all or nothing")
    for path in BUILD.iterdir() if BUILD.is_dir() else ():
        if args or path.name != "tools":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for folder in deps.locked_folders() if args else ():
        shutil.rmtree(folder / "node_modules", ignore_errors=True)


COMMANDS = {
    "help": cmd_help, "demo": cmd_demo, "test": cmd_test, "build": cmd_build, "sim": cmd_sim,
    "bench": cmd_bench, "fuzz": cmd_fuzz, "fmt": cmd_fmt, "tidy": cmd_tidy, "golden": cmd_golden,
    "package": cmd_package, "powerloss": cmd_powerloss, "ci": cmd_ci, "deps": cmd_deps,
    "budget": cmd_budget, "doctor": cmd_doctor, "clean": cmd_clean,
    "asan": lambda args: sanitized("asan", args), "tsan": lambda args: sanitized("tsan", args),
}


def main(args):
    name, rest = (args[0], args[1:]) if args else ("help", [])
    name = "help" if name in ("-h", "--help") else name
    if name not in COMMANDS:
        usage(f"no command {name!r}")
    COMMANDS[name](rest)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failed:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
