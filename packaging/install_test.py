"""What `cmake --install` lays down, and whether it fits together: ctest package.install."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
SOURCE = Path(__file__).resolve().parent.parent
PROGRAM = "program"


def output(*argv, code=0):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode != code:
        raise AssertionError(f"{argv}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix="holdfast-install-"))
        self.addCleanup(shutil.rmtree, self.top)

    def install(self, prefix, component=PROGRAM, destdir=True):
        env = {**os.environ, **({"DESTDIR": str(self.top)} if destdir else {})}
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--component", component],
                       check=True, capture_output=True, env=env)
        return self.top / prefix.lstrip("/")

    def test_what_is_laid_where(self):
        usr = self.install("/usr")
        found = {str(path.relative_to(self.top)) for path in self.top.rglob("*") if path.is_file()}
        for path in ("usr/bin/holdfast", "usr/share/man/man1/holdfast.1",
                     "usr/share/bash-completion/completions/holdfast",
                     "usr/lib/systemd/system/holdfast.service",
                     "usr/lib/systemd/system/holdfast.socket", "usr/lib/sysusers.d/holdfast.conf",
                     "usr/lib/tmpfiles.d/holdfast.conf", "usr/share/doc/holdfast/copyright",
                     "usr/share/doc/holdfast/operating.md",
                     "usr/share/doc/holdfast/examples/minimal.yaml", "etc/holdfast/holdfast.yaml"):
            self.assertIn(path, found)
        self.assertEqual({path.split("/")[0] for path in found}, {"usr", "etc"})
        self.assertEqual((usr / "bin/holdfast").stat().st_mode & 0o777, 0o755)
        config = self.top / "etc/holdfast/holdfast.yaml"
        self.assertEqual(config.stat().st_mode & 0o777, 0o640)
        for path in found:
            if path != "usr/bin/holdfast":
                self.assertNotRegex((self.top / path).read_text(), r"@[A-Z]+@", path)

    def test_paths_follow_the_prefix(self):
        for prefix, etc in (("/usr", "/etc"), ("/usr/local", "/etc"),
                            ("/opt/holdfast", "/opt/holdfast/etc")):
            unit = self.install(prefix) / "lib/systemd/system/holdfast.service"
            self.assertIn(f"\nExecStart={prefix}/bin/holdfast serve -c "
                          f"{etc}/holdfast/holdfast.yaml\n", unit.read_text())
            self.assertTrue((self.top / etc[1:] / "holdfast/holdfast.yaml").exists())

    def test_an_edited_configuration_stays(self):
        self.install("/usr")
        config = self.top / "etc/holdfast/holdfast.yaml"
        config.write_text("# ours\n")
        self.install("/usr")
        self.assertEqual(config.read_text(), "# ours\n")

    def test_without_destdir(self):
        self.install(f"{self.top}/here", destdir=False)
        self.assertRegex(output(self.top / "here/bin/holdfast", "--version"), r"^holdfast \d")
        self.assertTrue((self.top / "here/etc/holdfast/holdfast.yaml").exists())

    def test_debug_info_is_apart(self):
        program = self.install("/usr") / "bin/holdfast"
        self.assertFalse((self.top / "usr/lib/debug").exists())
        self.assertNotIn(".debug_info", output("readelf", "-SW", program))
        self.assertIn(".gnu_debuglink", output("readelf", "-SW", program))
        self.install("/usr", component="debug")
        build_id = re.search(r"Build ID: (\w+)", output("readelf", "-n", program))[1]
        debug = self.top / f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
        self.assertIn(".debug_info", output("readelf", "-SW", debug))

    def commands(self, path=()):
        """Every command with its options, as --help lists them."""
        text = output(BUILD / "holdfast", *path, "--help")
        section = re.search(r"(?ms)^Subcommands:\n(.*?)(?:\n\n|\Z)", text)
        options = re.search(r"(?ms)^Options:\n(.*?)(?:\n\n|\Z)", text)
        yield path, re.findall(r"(--[a-z-]+)", "\n".join(
            line[:30] for line in options[1].splitlines() if line.startswith("  -")))
        for line in section[1].splitlines() if section else ():
            if re.match(r"  [a-z]", line):
                yield from self.commands((*path, line.split()[0]))

    def test_the_manual_and_the_completion_know_every_command(self):
        manual = (BUILD / "dist/holdfast.1").read_text().replace("\\-", "-")
        completion = BUILD / "dist/holdfast.bash"
        commands = list(self.commands())
        self.assertGreater(len(commands), 15)
        for path, options in commands:
            name = " ".join(("holdfast", *path))
            self.assertTrue(not path or f".SS {name}\n" in manual, name)
            part = manual.split(f".SS {name}\n")[-1].split(".SS ")[0]
            for option in options:
                if path and option != "--help":
                    self.assertIn(option, part, name)
            words = output("bash", "-c", 'source "$0"; COMP_WORDS=("$@" ""); COMP_CWORD=$#; '
                           '_holdfast; echo "${COMPREPLY[@]}"', completion, "holdfast",
                           *path).split()
            self.assertLessEqual(set(options), set(words), name)
            below = {at[-1] for at, _ in commands if at[:-1] == path and at}
            self.assertLessEqual(below, set(words), name)

    def test_the_manual_is_well_formed(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        kinds = ("char", "escape", "font", "mac", "missing", "range", "reg", "syntax")
        said = subprocess.run(["groff", "-man", "-Wall", *(f"-w{kind}" for kind in kinds), "-Tutf8",
                               "-Z", BUILD / "dist/holdfast.1"], capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stderr), (0, ""))

    def test_the_service_configuration_lacks_a_route_and_nothing_else(self):
        self.install("/usr")
        config = self.top / "etc/holdfast/holdfast.yaml"
        said = output(BUILD / "holdfast", "check", "-c", config, code=1)
        self.assertEqual(len(re.findall(r": (?:error|warning): ", said)), 1, said)
        self.assertIn("there is no route", said)
        # Its example, as a person takes the comment signs off.
        text = config.read_text()
        head, example = text.split("# upstreams:", 1)
        config.write_text(head + re.sub(r"(?m)^# ?", "", "# upstreams:" + example))
        self.assertIn(": ok", output(BUILD / "holdfast", "check", "--strict", "-c", config))

    def test_the_page_on_installing_is_true(self):
        page = (SOURCE / "docs/install.md").read_text()
        self.install("/usr")
        table = re.search(r"(?s)<!-- files -->(.*)<!-- /files -->", page)[1]
        rows = re.findall(r"(?m)^\| `(/\S+)` \|.*\| (\d{4}) root", table)
        self.assertGreater(len(rows), 5)
        listed = set()
        for path, mode in rows:
            at = self.top / path[1:]
            files = [file for file in at.rglob("*") if file.is_file()] if at.is_dir() else [at]
            listed |= set(files)
            modes = {f"{file.stat().st_mode & 0o7777:04o}" for file in files}
            self.assertEqual(modes, {mode}, path)
        self.assertEqual({file for file in self.top.rglob("*") if file.is_file()}, listed)
        config = self.top / "container.yaml"
        config.write_text(re.search(r"(?s)```yaml\n(.*?)```", page)[1])
        said = output(BUILD / "holdfast", "check", "-c", config)
        self.assertEqual(re.findall(r"\[([a-z-]+)\]$", said, re.M), ["listen-public"], said)

    def test_socket_and_configuration_say_one_address(self):
        usr = self.install("/usr")
        stream = re.search(r"(?m)^ListenStream=(.*)$",
                           (usr / "lib/systemd/system/holdfast.socket").read_text())[1]
        config = (self.top / "etc/holdfast/holdfast.yaml").read_text()
        self.assertEqual(re.search(r"(?m)^listen: (\S+)", config)[1], stream)


if __name__ == "__main__":
    unittest.main(verbosity=2)
