"""The Containerfile, built by buildah and run by runc as it says, with nothing that it may write
but its volume. What stands for debian:12 is the clean root: no registry is asked."""

import json
import shutil
import subprocess
import time

import clean_root
import package
from steps import ROOT
from trial import curl, equal, pay, until

STORE = clean_root.ROOTS / "containers"
BUNDLE = clean_root.ROOTS / "bundle"
NAME = "holdfast-test"
URL = "http://127.0.0.1:8080"

CONFIG = """\
listen: 0.0.0.0:8080
health: 127.0.0.1:8082
journal: { path: /var/lib/holdfast }
upstreams:
  shop: { url: "http://127.0.0.1:9000", idempotency: { mode: key, header: Idempotency-Key, lifetime: 1h } }
routes:
  - { path: /, upstream: shop, key: { from: [ { header: Idempotency-Key } ] } }
"""


def run(*argv, check=True, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {argv}\n{done.stdout[-3000:]}"
                             f"{done.stderr[-3000:]}")
    return done.returncode, done.stdout


def buildah(command, *args, **more):
    # Plain copies: the other drivers want a file system or a kernel that may not be here.
    return run("buildah", "--root", STORE, "--runroot", STORE / "run", "--storage-driver", "vfs",
               command, *args, **more)[1].strip()


def build():
    """Builds the image, and returns its configuration and the folder of a container of it."""
    root = clean_root.fresh("image")
    clean_root.with_apt(root)
    stand_in = buildah("from", "scratch")
    buildah("copy", "--quiet", stand_in, root, "/")
    for tag in ("debian:12", "debian:12-slim"):
        buildah("commit", "--quiet", stand_in, f"docker.io/library/{tag}")
    shutil.rmtree(root)
    tarball = package.tarball_path().relative_to(ROOT)
    buildah("build", "--isolation", "chroot", "--network", "host", "--pull-never", "--format",
            "docker", "--build-arg", f"TARBALL={tarball}", "-f", "Containerfile", "-t", NAME, ".",
            cwd=ROOT)
    about = json.loads(buildah("inspect", "--type", "image", NAME))["Docker"]["config"]
    container = buildah("from", "--pull-never", NAME)
    return about, buildah("mount", container)


def write_bundle(about, folder):
    """The image's own words for program, user and folder; the rest as tight as can be."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    for name in ("data", "etc"):
        (BUNDLE / name).mkdir(parents=True)
    user, group = map(int, about["User"].split(":"))
    shutil.chown(BUNDLE / "data", user, group)
    (BUNDLE / "data").chmod(0o700)
    (BUNDLE / "etc/holdfast.yaml").write_text(CONFIG)
    run("runc", "spec", cwd=BUNDLE)
    spec = json.loads((BUNDLE / "config.json").read_text())
    spec["root"] = {"path": folder, "readonly": True}
    spec["process"] |= {"terminal": False, "user": {"uid": user, "gid": group},
                        "args": about["Entrypoint"] + about["Cmd"], "env": about["Env"],
                        "cwd": about["WorkingDir"], "noNewPrivileges": True,
                        "capabilities": {kind: [] for kind in spec["process"]["capabilities"]}}
    spec["mounts"] += [
        {"destination": next(iter(about["Volumes"])), "type": "bind",
         "source": str(BUNDLE / "data"), "options": ["bind", "rw"]},
        {"destination": "/etc/holdfast", "type": "bind", "source": str(BUNDLE / "etc"),
         "options": ["bind", "ro"]}]
    (BUNDLE / "config.json").write_text(json.dumps(spec))


class Container:
    """One run of the bundle, with the sandbox as its upstream in the same network."""

    def __init__(self):
        with open(BUNDLE / "out", "wb") as out:
            self.process = subprocess.Popen(self.runc("run", "--bundle", BUNDLE, NAME), stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        until("it runs", lambda: run(*self.runc("exec", NAME, "holdfast", "health"),
                                     check=False)[0] == 0 or self.process.poll() is not None)
        assert self.process.poll() is None, (BUNDLE / "out").read_text()
        state = json.loads(run(*self.runc("state", NAME))[1])
        self.net = ["nsenter", "-t", str(state["pid"]), "-n"]
        # It keeps what it is given: no pipe, or whoever reads that waits for its end.
        subprocess.run(self.runc("exec", "-d", NAME, "holdfast", "sandbox", "--port", "9000",
                                 "--keys", "all", "--latency-ms", "300"), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        until("its upstream runs",
              lambda: curl("http://127.0.0.1:9000/_ledger?counts=only", prefix=self.net)[0] == 200)

    @staticmethod
    def runc(*args):
        return ["runc", "--root", str(BUNDLE / "runc"), *map(str, args)]

    def stop(self, signal):
        run(*self.runc("kill", NAME, signal))
        return self.process.wait(30)

    def end(self):
        if self.process.poll() is None:
            run(*self.runc("delete", "--force", NAME), check=False)
            self.process.wait()


def container_is_built_and_runs():
    shutil.rmtree(STORE, ignore_errors=True)
    STORE.mkdir(parents=True)
    container = None
    try:
        about, folder = build()
        equal(about["User"], "65532:65532")
        equal(about["Healthcheck"]["Test"], ["CMD", "holdfast", "health"])
        equal(list(about["ExposedPorts"]), ["8080/tcp"])
        write_bundle(about, folder)
        container = Container()
        equal(pay(URL, "one", prefix=container.net)[0], 200)
        equal(run(*container.runc("exec", NAME, *about["Healthcheck"]["Test"][1:]))[1], "ready\n")
        code, _ = run(*container.runc("exec", NAME, "touch", "/usr/local/bin/x"), check=False)
        assert code != 0, "its root can be written"
        flying = subprocess.Popen([*container.net, "curl", "-s", "-o", "/dev/null", "-w",
                                   "%{http_code}", f"{URL}/pay", "-d", "order=two", "-H",
                                   "Idempotency-Key: two"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.1)  # sleep: the call is at its upstream, which takes 300 ms
        equal(container.stop(about["StopSignal"]), 0, "the exit code after the stop signal")
        equal(flying.communicate()[0], "200", "the call that was in flight")
        container = Container()
        headers = subprocess.run([*container.net, "curl", "-si", f"{URL}/pay", "-d", "order=one",
                                  "-H", "Idempotency-Key: one"], capture_output=True, text=True)
        assert "Idempotent-Replayed: true" in headers.stdout, headers.stdout
    finally:
        if container:
            container.end()
        buildah("rm", "--all", check=False)
        shutil.rmtree(STORE, ignore_errors=True)
