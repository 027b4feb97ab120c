"""The packages in a Debian that has nothing of ours: ./x package --test (as root).

The tarball in a system with glibc alone; the Debian package installed by apt, upgraded, removed and
purged; the container, built and run; and the service under a real systemd with its whole sandbox.
"""

import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import clean_root  # noqa: E402
import package  # noqa: E402
from container_test import container_is_built_and_runs  # noqa: E402
from steps import LOGS  # noqa: E402
from trial import CONFIG, curl, equal, owner, pay, reading, until  # noqa: E402

def serve_a_call(root, argv, journal):
    """Serves one call, from chroot to chroot, by a name that the root's resolver looks up."""
    hosts = root / "etc/hosts"
    hosts.write_text(hosts.read_text() + "\n127.0.0.1 upstream.test\n")
    running = []
    try:
        sandbox = clean_root.start(root, argv[0], "sandbox", "--port", "0", "--keys", "all")
        running.append(sandbox)
        upstream = reading(sandbox, r"sandbox listening on http://127\.0\.0\.1:(\d+)")
        secret = root / "etc/secret"
        secret.write_text("sk_test_1\n")
        secret.chmod(0o644)
        file = root / "etc/serve.yaml"
        file.write_text(CONFIG.format(listen=0, admin=0, health=0, upstream=upstream,
                                      journal=journal, secret="/etc/secret"))
        clean_root.run(root, f"{argv[0]} check -c /etc/serve.yaml")
        proxy = clean_root.start(root, *argv[1:], argv[0], "serve", "-c", "/etc/serve.yaml")
        running.append(proxy)
        url = reading(proxy, r"holdfast listening on (\S+)")
        equal([pay(url, "order-1")[0] for _ in range(2)], [200, 200], "a call and its repeat")
        ledger = curl(f"http://127.0.0.1:{upstream}/_ledger?counts=only")[1]
        assert '"effects":1' in ledger, ledger
        inside = subprocess.run(["pgrep", "-P", str(proxy.pid)], capture_output=True, text=True)
        os.kill(int(inside.stdout), 15)
        equal(proxy.wait(30), 0, "the exit code after SIGTERM")
    finally:
        for process in running:
            process.kill()
            process.wait()
    return root / journal[1:]


# ---- the tarball

def tarball_needs_glibc_alone():
    root = clean_root.fresh("tarball")
    here = root / "usr/local"
    subprocess.run(["tar", "-xzf", package.tarball_path(), "-C", here, "--strip-components=1"],
                   check=True)
    clean_root.run(root, "cd /usr/local && sha256sum --quiet -c SHA256SUMS")
    said = clean_root.run(root, "holdfast --version")[1]
    equal(said.strip(), f"holdfast {package.version()}")
    needed = subprocess.run(["readelf", "-d", here / "bin/holdfast"], capture_output=True,
                            text=True, check=True).stdout
    equal(sorted(set(re.findall(r"\(NEEDED\).*\[(.*)\]", needed))),
          ["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6"]
          if "ld-linux-x86-64" in needed else ["libc.so.6", "libm.so.6"], "what it is linked to")
    for library in ("libssl", "libfmt", "librocksdb", "libsodium", "libstdc++"):
        found = list((root / "usr/lib").rglob(f"{library}.so*"))
        assert library == "libstdc++" or not found, f"the root is not bare: {found}"
    code, said = clean_root.run(
        root, "holdfast check -c /usr/local/share/doc/holdfast/examples/service.yaml", check=False)
    assert code == 1 and "there is no route" in said, said
    serve_a_call(root, ["/usr/local/bin/holdfast"], "/var/lib/holdfast")


# ---- the Debian package, without systemd

def copy_debs(root):
    target = root / "srv/debs"
    target.mkdir(exist_ok=True)
    for deb in (package.deb_path(), package.dbgsym_path()):
        (target / deb.name).write_bytes(deb.read_bytes())
    return f"/srv/debs/{package.deb_path().name}"


APT = "apt-get -q install -y --no-install-recommends"


def package_lives_and_goes():
    root = clean_root.fresh("deb")
    clean_root.with_apt(root)
    deb = copy_debs(root)
    said = clean_root.run(root, f"{APT} {deb}")[1]
    assert "holdfast: not started. Declare upstreams and routes" in said, said
    equal(clean_root.run(root, "holdfast --version")[1].strip(), f"holdfast {package.version()}")
    uid, gid = map(int, clean_root.run(root, "id -u holdfast; id -g holdfast")[1].split())
    state = root / "var/lib/holdfast"
    config = root / "etc/holdfast/holdfast.yaml"
    equal(owner(state), (uid, gid, "0o700"), "/var/lib/holdfast")
    equal(owner(config), (0, gid, "0o640"), "holdfast.yaml")
    equal(owner(root / "usr/bin/holdfast"), (0, 0, "0o755"), "the program")
    entry = clean_root.run(root, "getent passwd holdfast")[1].strip()
    assert entry.endswith(":/var/lib/holdfast:/usr/sbin/nologin"), entry
    code, said = clean_root.run(root, "holdfast check -c /etc/holdfast/holdfast.yaml", check=False)
    assert code == 1 and "there is no route" in said, said

    journal = serve_a_call(root, ["/usr/bin/holdfast", "setpriv", f"--reuid={uid}",
                                  f"--regid={gid}", "--clear-groups"], "/var/lib/holdfast")
    equal(owner(journal / "seal.key"), (uid, gid, "0o600"), "the key file")

    edited = config.read_text() + "# ours\n"
    config.write_text(edited)
    clean_root.run(root, f"apt-get -q install -y --reinstall {deb}")
    equal(config.read_text(), edited, "the edited configuration after an upgrade")
    equal(owner(config), (0, gid, "0o640"), "its mode after an upgrade")
    assert (journal / "db").is_dir(), "the journal after an upgrade"

    clean_root.run(root, "apt-get -q remove -y holdfast")
    assert not (root / "usr/bin/holdfast").exists() and config.exists()
    said = clean_root.run(root, "apt-get -q purge -y holdfast")[1]
    assert "the journal in /var/lib/holdfast is kept" in said, said
    assert not config.parent.exists(), "the configuration after a purge"
    assert (journal / "db/CURRENT").is_file(), "the journal after a purge"
    equal(owner(journal), (uid, gid, "0o700"), "the journal after a purge")
    clean_root.run(root, "rm -r /var/lib/holdfast")
    clean_root.run(root, f"dpkg -i {deb}; apt-get -q purge -y holdfast")
    assert not state.exists(), "an empty state directory after a purge"


def debug_symbols_fit():
    root = clean_root.ROOTS / "deb"
    clean_root.run(root, f"dpkg -i /srv/debs/{package.deb_path().name} "
                         f"/srv/debs/{package.dbgsym_path().name}")
    notes = subprocess.run(["readelf", "-n", root / "usr/bin/holdfast"], capture_output=True,
                           text=True, check=True).stdout
    build_id = re.search(r"Build ID: (\w+)", notes)[1]
    debug = root / f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    lines = subprocess.run(["readelf", "-S", debug], capture_output=True, text=True, check=True)
    assert ".debug_line" in lines.stdout, lines.stdout
    clean_root.run(root, "apt-get -q purge -y holdfast-dbgsym holdfast")


def packages_repeat():
    before = {path.name: path.read_bytes() for path in (package.deb_path(), package.tarball_path())}
    package.make(["deb", "tarball"], quiet=True)
    for name, content in before.items():
        assert (package.OUT / name).read_bytes() == content, f"{name} differs when made again"


def lintian_is_content():
    done = subprocess.run(["lintian", "--no-cfg", "--allow-root", "--fail-on", "error,warning",
                           package.deb_path(), package.dbgsym_path()],
                          capture_output=True, text=True)
    equal(done.returncode, 0, done.stdout + done.stderr)
    assert "unused-override" not in done.stdout, done.stdout


# ---- the service, under systemd

URL = "http://127.0.0.1:8080"


class Service:
    """The machine with the package, an upstream beside it, and calls from within its network."""

    def __init__(self, machine):
        self.machine = machine
        self.net = machine.in_network()

    def pay(self, key):
        return pay(URL, key, prefix=self.net)

    def upstream(self, up=True):
        if up:
            # Its ledger goes with it: what is counted is counted before it is stopped.
            self.machine.run("systemctl start shop")
            until("the upstream is up", lambda: curl("http://127.0.0.1:9000/_ledger?counts=only",
                                                     prefix=self.net)[0] == 200)
        else:
            self.machine.run("systemctl stop shop")

    def effects(self, order):
        """How often an order took effect, by the upstream's own ledger since it was started."""
        text = curl(f"http://127.0.0.1:9000/_ledger?order={order}", prefix=self.net)[1]
        return len(json.loads(text)["effects"])

    def pid(self):
        return int(self.machine.properties("holdfast.service", "MainPID")["MainPID"])

    def active(self):
        return self.machine.run("systemctl is-active holdfast.service", check=False)[1].strip()


def service_machine():
    root = clean_root.fresh("service")
    clean_root.with_apt(root)
    deb = copy_debs(root)
    clean_root.run(root, f"{APT} systemd systemd-sysv {deb}")
    hosts = root / "etc/hosts"
    hosts.write_text("127.0.0.1 localhost upstream.test\n")
    return clean_root.Machine(root).wait()


def configure(service):
    root = service.machine.root
    secret = root / "etc/holdfast/credentials"
    secret.mkdir(mode=0o700)
    (secret / "shop").write_text("sk_test_1\n")
    (secret / "shop").chmod(0o600)
    (root / "etc/holdfast/holdfast.yaml").write_text(CONFIG.format(
        listen=8080, admin=8081, health=8082, upstream=9000, journal="/var/lib/holdfast",
        secret="/run/credentials/holdfast.service/shop"))
    drop_in = root / "etc/systemd/system/holdfast.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "test.conf").write_text("[Service]\nWatchdogSec=3s\n"
                                       "LoadCredential=shop:/etc/holdfast/credentials/shop\n")
    (root / "etc/systemd/system/shop.service").write_text(
        "[Service]\nExecStart=/usr/bin/holdfast sandbox --port 9000 --keys all\n")
    service.machine.run("systemctl daemon-reload")


def an_unedited_configuration_does_not_run(service):
    run = service.machine.run
    equal(run("systemctl is-enabled holdfast.service", check=False)[1].strip(), "disabled")
    code, _ = run("timeout 60 systemctl start holdfast.service", check=False)
    assert code != 0, "it started with nothing to route"
    said = run("journalctl -q --no-pager -u holdfast.service")[1]
    assert "there is no route" in said, said
    run("systemctl stop holdfast.socket holdfast.service; systemctl reset-failed")


def it_takes_calls_and_keeps_them(service):
    run, machine = service.machine.run, service.machine
    configure(service)
    service.upstream()
    run("systemctl enable --now holdfast.socket holdfast.service")
    equal(service.active(), "active")
    equal(service.pay("one"), (200, service.pay("one")[1]), "a call and its repeat")
    assert "sk_test_1" not in run("journalctl -q --no-pager -u holdfast.service")[1]
    status = machine.properties("holdfast.service", "StatusText", "Type", "NRestarts")
    equal(status["StatusText"], "taking calls")
    equal(status["NRestarts"], "0")
    service.upstream(up=False)
    status, body = service.pay("held")
    assert status == 503 and '"held"' in body, (status, body)
    listed = run("holdfast calls list --state waiting")[1]
    assert "shop" in listed, listed
    run("systemctl restart holdfast.service")
    service.upstream()
    until("the held call is delivered", lambda: service.effects("held") == 1)


def nobody_is_refused_meanwhile(service):
    """Whoever connects while it is killed, restarted or hung has an answer."""
    machine = service.machine
    for how in ("kill -9", "restart", "hang"):
        before = service.pid()
        if how == "kill -9":
            machine.run("systemctl kill --kill-whom=main -s KILL holdfast.service")
        elif how == "hang":
            machine.run("systemctl kill --kill-whom=main -s STOP holdfast.service")
        else:
            machine.run("systemctl restart --no-block holdfast.service")
        order = f"during-{how.split()[0]}"
        equal(service.pay(order)[0], 200, f"a call during: {how}")
        equal(service.effects(order), 1, order)
        until("another process", lambda: service.pid() not in (0, before))
    found = machine.properties("holdfast.service", "NRestarts", "ActiveState")
    # Since the restart that was asked for: the watchdog's.
    equal(found, {"NRestarts": "1", "ActiveState": "active"})
    said = machine.run("journalctl -q --no-pager -u holdfast.service")[1]
    assert "Watchdog timeout" in said, said


def the_sandbox_holds(service):
    machine, run = service.machine, service.machine.run
    pid = service.pid()
    status = dict(line.split(":", 1) for line in
                  run(f"cat /proc/{pid}/status")[1].splitlines() if ":" in line)
    equal(status["CapBnd"].strip(), "0" * 16, "capabilities")
    equal(status["NoNewPrivs"].strip(), "1")
    equal(status["Seccomp"].strip(), "2")
    uid = run("id -u holdfast")[1].strip()
    equal(status["Uid"].split()[0], uid)
    mounts = run(f"cat /proc/{pid}/mounts")[1]
    modes = {line.split()[1]: line.split()[3].split(",")[0] for line in mounts.splitlines()}
    equal(modes["/"], "ro", "the file system")
    equal(modes["/var/lib/holdfast"], "rw", "the state directory")
    code, _ = run(f"setpriv --reuid={uid} --clear-groups cat /etc/holdfast/credentials/shop",
                  check=False)
    assert code != 0, "the secret can be read elsewhere than in the service"
    said = run("journalctl -q --no-pager -u holdfast.service")[1]
    denied = re.search(r"(?i)not permitted|read-only|permission denied|bad system call", said)
    assert not denied, said
    said = run("systemd-analyze --man=no verify /usr/lib/systemd/system/holdfast.s*", check=False)
    equal(said[0], 0, said[1])
    assert "holdfast" not in said[1], said[1]
    code, said = run("systemd-analyze security --no-pager --threshold=20 holdfast.service",
                     check=False)
    equal(code, 0, said[-2000:])
    exposure = re.search(r"Overall exposure level for holdfast.service: (\S+)", said)[1]
    return f"exposure {exposure}"


def an_upgrade_restarts_what_ran(service):
    run, root = service.machine.run, service.machine.root
    deb = f"/srv/debs/{package.deb_path().name}"
    before = service.pid()
    run(f"dpkg -i {deb}")
    after = service.pid()
    assert after not in (0, before), "an upgrade left the old process"
    equal(service.pay("after-the-upgrade")[0], 200)
    config = root / "etc/holdfast/holdfast.yaml"
    good = config.read_text()
    config.write_text(good + "nonsense: true\n")
    said = run(f"dpkg -i {deb}")[1]
    assert "so the one that runs was left running" in said, said
    equal(service.pid(), after, "the process under a configuration that is refused")
    config.write_text(good)


def another_address_takes_both_files(service):
    """The start says so while they differ; then the socket unit's restart is enough."""
    run, root = service.machine.run, service.machine.root
    config = root / "etc/holdfast/holdfast.yaml"
    config.write_text(config.read_text().replace("127.0.0.1:8080", "127.0.0.2:8088"))
    code, _ = run("timeout 60 systemctl restart holdfast.service", check=False)
    assert code != 0, "it started with a socket that nobody takes"
    said = run("journalctl -q --no-pager -u holdfast.service")[1]
    assert "`holdfast.socket` that was passed listens on 127.0.0.1:8080" in said, said
    drop_in = root / "etc/systemd/system/holdfast.socket.d"
    drop_in.mkdir()
    (drop_in / "address.conf").write_text("[Socket]\nListenStream=\n"
                                          "ListenStream=127.0.0.2:8088\n")
    run("systemctl daemon-reload; systemctl restart holdfast.socket; "
        "systemctl start holdfast.service")
    equal(pay("http://127.0.0.2:8088", "moved", prefix=service.net)[0], 200)
    equal(service.pay("moved")[0], 0, "the old address")


def it_leaves_when_it_is_removed(service):
    run, root = service.machine.run, service.machine.root
    run("apt-get -q remove -y holdfast")
    equal(service.active(), "inactive")
    equal(pay("http://127.0.0.2:8088", "nobody", prefix=service.net)[0], 0,
          "a call after the removal")
    run("apt-get -q purge -y holdfast")
    assert (root / "var/lib/holdfast/db/CURRENT").is_file()
    left = [path for path in (root / "etc/systemd/system").rglob("holdfast*")
            if path.is_symlink()]
    equal(left, [], "what enables it after a purge")


SERVICE_TESTS = (an_unedited_configuration_does_not_run, it_takes_calls_and_keeps_them,
                 nobody_is_refused_meanwhile, the_sandbox_holds, an_upgrade_restarts_what_ran,
                 another_address_takes_both_files, it_leaves_when_it_is_removed)
TESTS = (tarball_needs_glibc_alone, package_lives_and_goes, debug_symbols_fit, packages_repeat,
         lintian_is_content, container_is_built_and_runs)


def attempt(test, *args):
    began = time.monotonic()
    try:
        remark = test(*args)
        failed = False
    except Exception:
        remark, failed = "FAILED", True
        traceback.print_exc(file=sys.stdout)
    print(f"  {test.__name__.replace('_', ' '):<45} {time.monotonic() - began:5.1f} s"
          f"{f'  {remark}' if remark else ''}", flush=True)
    return failed


def main():
    if os.geteuid() != 0:
        print("  the clean root needs root: sudo ./x package --test")
        return 1
    (LOGS / "clean-root.log").unlink(missing_ok=True)
    only = sys.argv[1:]
    chosen = [test for test in TESTS if not only or test.__name__ in only]
    failed = [test for test in chosen if attempt(test)]
    passed = len(chosen) - len(failed)
    machines = []

    def booted():
        machines.append(service_machine())

    try:
        if attempt(booted):
            failed.append(booted)
        else:
            service = Service(machines[0])
            for test in SERVICE_TESTS:
                if attempt(test, service):
                    failed.append(test)
                    break  # each begins where the one before it ended
                passed += 1
    finally:
        for machine in machines:
            machine.stop()
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
