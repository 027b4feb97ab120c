#!/usr/bin/env python3
"""`./x bench`: what a call costs, beside HAProxy, nginx and a bare loop, interleaved in one run.

Figures: pass-through CPU per request beside HAProxy and nginx; durable calls end to end (rate, CPU,
bytes written, p99 of the acknowledgement) beside the bare loop, which is the same libraries with
nothing between them; keyed live calls, and what they add to a direct one; memory with idle
clients. What the database does afterwards (compaction) is a part of a durable call's cost: each
measurement ends when it is quiet. Ratios of one run mean something; absolute figures belong to the
machine and the hour. Everything runs on loopback and stops by itself.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def tree(pid):
    pids = [pid]
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    for child in children:
        pids += tree(int(child))
    return pids


def cpu_seconds(pid):
    total = 0
    for one in tree(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def proc_field(pid, file, name):
    text = pathlib.Path(f"/proc/{pid}/{file}").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))


class Process:
    """A server of ours, pinned to one core, stopped by pid."""

    def __init__(self, name, command, port, core):
        self.name, self.port = name, port
        pin = ["taskset", "-c", str(core)] if shutil.which("taskset") and core is not None else []
        self.log = tempfile.TemporaryFile()
        self.child = subprocess.Popen(pin + command, stdout=self.log, stderr=self.log)
        if not wait_for(port):
            self.log.seek(0)
            sys.exit(f"bench: {name} does not listen:\n{self.log.read().decode()}")

    @property
    def pid(self):
        return self.child.pid

    def stop(self):
        code = self.child.poll()
        if code is not None:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace")[-4000:]
            print(f"bench: {self.name} ended by itself ({code}):\n{said}", file=sys.stderr)
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def nginx_config(directory, port, upstream):
    if upstream is None:
        place = "location / { return 200 'ok'; }"
        extra = "keepalive_timeout 1h;"  # the bare loop does not bear that a connection ends
    else:
        extra = f"upstream back {{ server 127.0.0.1:{upstream}; keepalive 256; }}"
        place = ("location / { proxy_pass http://back; proxy_http_version 1.1; "
                 "proxy_set_header Connection ''; }")
    text = f"""daemon off; worker_processes 1; pid {directory}/nginx-{port}.pid;
error_log {directory}/nginx-{port}.log; events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {directory}/b{port};
proxy_temp_path {directory}/p{port}; fastcgi_temp_path {directory}/f{port};
uwsgi_temp_path {directory}/u{port}; scgi_temp_path {directory}/s{port};
{extra} server {{ listen 127.0.0.1:{port} backlog=4096; {place} }} }}"""
    path = pathlib.Path(directory) / f"nginx-{port}.conf"
    path.write_text(text)
    return ["nginx", "-c", str(path), "-p", directory]


def haproxy_config(directory, port, upstream):
    text = f"""global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""
    path = pathlib.Path(directory) / f"haproxy-{port}.cfg"
    path.write_text(text)
    return ["haproxy", "-db", "-f", str(path)]


KINDS = {
    # what streams past; what is answered live with intent and answer on disk; what is acknowledged
    # once it is on disk and delivered afterwards
    "pass": ("{ mode: repeatable }", "hold: never"),
    "keyed": ("{ mode: key, lifetime: 24h }", "key: { from: [ { header: Idempotency-Key } ] }"),
    "held": ("{ mode: key, lifetime: 24h }",
             "key: { from: [ { header: Idempotency-Key } ] }\n    hold: always\n"
             "    held_answer: 202"),
}


def holdfast_config(directory, name, port, upstream, health):
    idempotency, policy = KINDS[name]
    text = f"""listen: 127.0.0.1:{port}
health: 127.0.0.1:{health}
journal: {{ path: {directory}/{name}-data }}
upstreams:
  back:
    url: "http://127.0.0.1:{upstream}"
    idempotency: {idempotency}
    credentials: stored
    concurrency: 256
routes:
  - path: /
    upstream: back
    {policy}
"""
    path = pathlib.Path(directory) / f"{name}.yaml"
    path.write_text(text)
    return [str(ROOT / "build/release/holdfast"), "serve", "-c", str(path)]


def wrk(port, seconds, connections, keyed=False, run=0):
    command = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    command += ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                str(ROOT / "bench/post.lua"), f"http://127.0.0.1:{port}/bench", "--",
                "keyed" if keyed else "plain", str(run)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"^RESULT (.*)$", out.stdout, re.M)
    if not found:
        sys.exit(f"bench: wrk failed\n{out.stdout}{out.stderr}")
    return {k: int(v) for k, v in (pair.split("=") for pair in found.group(1).split())}


def measure(server, seconds, connections, **how):
    before = cpu_seconds(server.pid)
    wrote = proc_field(server.pid, "io", "write_bytes")
    result = wrk(server.port, seconds, connections, **how)
    done = max(1, result["requests"])
    return {
        "rate": done / (result["duration_us"] / 1e6),
        "cpu_us": (cpu_seconds(server.pid) - before) * 1e6 / done,
        "bytes": (proc_field(server.pid, "io", "write_bytes") - wrote) / done,
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
        "errors": result["errors"] + result["non2xx"],
    }


def metric(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\d+)$", answer.read().decode(), re.M)
    return int(found.group(1)) if found else 0


def until_quiet(pid, seconds=60):
    """Until the process has neither computed nor written for a second."""
    last, since = None, time.monotonic()
    end = since + seconds
    while time.monotonic() < end:
        now = (cpu_seconds(pid), proc_field(pid, "io", "write_bytes"))
        if last is None or now[1] != last[1] or now[0] - last[0] > 0.02:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1:
            return
        time.sleep(0.1)


def measure_held(server, health, seconds, turn, port=None):
    """Acknowledged after sync, delivered, answer recorded: until the last one is, and then until
    the database has put its tables together."""
    answered = "holdfast_upstream_answered_total"
    before, cpu = metric(health, answered), cpu_seconds(server.pid)
    wrote = proc_field(server.pid, "io", "write_bytes")
    begun = time.monotonic()
    result = wrk(port or server.port, seconds, 64, keyed=True, run=turn)
    # wrk cuts its last requests off: those may have been taken without being counted.
    goal = result["requests"]
    end = time.monotonic() + 120
    while metric(health, answered) - before < goal and time.monotonic() < end:
        time.sleep(0.05)
    done = max(1, metric(health, answered) - before)
    took = time.monotonic() - begun
    if done < goal:
        sys.exit(f"bench: {goal - done} durable calls were not delivered")
    until_quiet(server.pid)
    return {
        "rate": done / took,
        "cpu_us": (cpu_seconds(server.pid) - cpu) * 1e6 / done,
        "bytes": (proc_field(server.pid, "io", "write_bytes") - wrote) / done,
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
        "errors": result["errors"] + result["non2xx"],
    }


def summary(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def idle_memory(server, clients):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[0] < clients + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(clients + 200, limit[1]), limit[1]))
    before = proc_field(server.pid, "status", "VmRSS")
    head = b"POST /idle HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi"
    open_ = []
    for _ in range(clients):
        conn = socket.create_connection(("127.0.0.1", server.port))
        conn.sendall(head)
        if not conn.recv(4096).startswith(b"HTTP/1.1 200"):
            sys.exit("bench: an idle client got no answer")
        open_.append(conn)
    time.sleep(3)  # sleep: idle buffers are given back after two seconds
    after = proc_field(server.pid, "status", "VmRSS")
    for conn in open_:
        conn.close()
    return {"clients": clients, "rss_mib": after / 1024, "grown_mib": (after - before) / 1024}


def steady(server, clients, rate, seconds, run, core=None):
    """p50 and p99 in ms of many clients at one total rate, each from when it was due; without a
    rate of clients that make one call after another, each from when it was made."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], min(clients + 200, limit[1])),
                                                limit[1]))
    pin = ["taskset", "-c", str(core)] if shutil.which("taskset") and core is not None else []
    out = subprocess.run(pin + [str(ROOT / "build/release/holdfast-steady-load"), "--port",
                                str(server.port), "--clients", str(clients), "--rate", str(rate),
                                "--seconds", str(seconds), "--run", f"{run}-{clients}"],
                         capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"^RESULT (.*)$", out.stdout, re.M)
    if not found:
        sys.exit(f"bench: the steady load failed\n{out.stdout}{out.stderr}")
    row = {k: int(v) for k, v in (pair.split("=") for pair in found.group(1).split())}
    return {"p50_ms": row["p50_us"] / 1000, "p99_ms": row["p99_us"] / 1000,
            "errors": row["errors"]}


def main():
    args = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--seconds", type=int, default=3, help="of each measurement")
    args.add_argument("--rounds", type=int, default=5, help="interleaved; medians are shown")
    args.add_argument("--clients", type=int, default=10000, help="idle ones, and active ones")
    args.add_argument("--rate", type=int, default=2000, help="a second, of all active ones")
    args.add_argument("--pending", type=int, metavar="N",
                      help="instead: durable calls while N held ones wait")
    args.add_argument("--generator", action="store_true",
                      help="instead: `holdfast load` beside wrk")
    args.add_argument("--micro", action="store_true", help="instead: the pieces of a call's path")
    args.add_argument("--json", help="write the figures to this file")
    args = args.parse_args()
    if args.micro:
        os.execv(ROOT / "build/release/holdfast-micro", ["holdfast-micro"])
    for tool in ("wrk", "haproxy", "nginx"):
        if not shutil.which(tool):
            sys.exit(f"bench: {tool} is not installed; `./x bench` installs it")
    if args.pending:
        return pending.run(args)
    if args.generator:
        return generator.run(args)
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    running = []

    def start(name, command, port, core):
        process = Process(name, command, port, core)
        running.append(process)
        return process

    try:
        back = free_port()
        direct = start("upstream", nginx_config(directory, back, None), back, 0)
        passing = []
        for name, make in (("haproxy", lambda p: haproxy_config(directory, p, back)),
                           ("nginx", lambda p: nginx_config(directory, p, back)),
                           ("holdfast", lambda p: holdfast_config(directory, "pass", p, back,
                                                                  free_port()))):
            port = free_port()
            passing.append(start(name, make(port), port, 1))
        port, health = free_port(), free_port()
        keyed = start("holdfast, keyed live",
                      holdfast_config(directory, "keyed", port, back, free_port()), port, None)
        port = free_port()
        held = start("holdfast, held and delivered",
                     holdfast_config(directory, "held", port, back, health), port, None)
        port = free_port()
        bare = start("bare loop", [str(ROOT / "build/release/holdfast-bare-loop"), "--port",
                                   str(port), "--upstream", str(back), "--path",
                                   f"{directory}/bare-data"], port, None)
        samples = {process.name: [] for process in passing + [keyed, bare, held]}
        heard = {process.name: [] for process in (bare, held)}
        for turn in range(args.rounds):
            for process in passing:
                samples[process.name].append(measure(process, args.seconds, 64))
            samples[keyed.name].append(measure(keyed, args.seconds, 64, keyed=True, run=turn))
            # Whoever goes first finds the disk quieter: they take turns.
            durable = [(bare, bare.port), (held, health)]
            for process, told in durable if turn % 2 else reversed(durable):
                samples[process.name].append(measure_held(process, told, args.seconds, turn))
                # wrk adds samples for calls that it might have made during a slow one. What those
                # that were made had to wait is measured by itself.
                heard[process.name].append(
                    steady(process, 64, 0, args.seconds, f"heard-{turn}", core=0))
                until_quiet(process.pid)
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
        figures = {name: summary(rows) for name, rows in samples.items()}
        heard = {name: summary(rows) for name, rows in heard.items()}
        active = {}
        for kind, process in (("past", passing[-1]), ("held", held)):
            rows = {clients: [] for clients in (100, args.clients)}
            for turn in range(args.rounds):
                for clients in rows:
                    rows[clients].append(steady(process, clients, args.rate, 5, turn))
            active[kind] = {clients: summary(each) for clients, each in rows.items()}
        # The payment path where nothing is short of anything: what it adds to a call.
        calm = {"direct": [], "keyed": []}
        for turn in range(args.rounds):
            for kind, process in (("direct", direct), ("keyed", keyed)):
                calm[kind].append(steady(process, 100, args.rate / 2, 5, f"calm-{turn}"))
        calm = {kind: summary(rows) for kind, rows in calm.items()}
        idle = idle_memory(passing[-1], args.clients)
    finally:
        for process in running:
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)

    print(f"{'512-byte POST, 64 connections':32} {'calls/s':>9} {'CPU us':>8} {'p50 ms':>8} "
          f"{'p99 ms':>8} {'bytes':>8} {'errors':>7}")
    for name, row in figures.items():
        print(f"{name:32} {row['rate']:9.0f} {row['cpu_us']:8.1f} {row['p50_ms']:8.2f} "
              f"{row['p99_ms']:8.2f} {row['bytes']:8.0f} {row['errors']:7.0f}")
    ratio = figures["holdfast"]["cpu_us"] / max(0.1, figures["haproxy"]["cpu_us"])
    print(f"pass-through CPU: {ratio:.2f} times HAProxy's")
    mine, least = figures["holdfast, held and delivered"], figures["bare loop"]
    print(f"durable calls: {mine['rate'] / least['rate']:.2f} of the bare loop's rate, "
          f"{mine['cpu_us'] / least['cpu_us']:.2f} times its CPU, {mine['bytes']:.0f} bytes")
    for name, row in heard.items():
        print(f"{name}, 64 clients, one call after another: heard of it in {row['p50_ms']:.2f} ms "
              f"(p50), {row['p99_ms']:.2f} ms (p99)")
    p50, p99 = (calm["keyed"][name] - calm["direct"][name] for name in ("p50_ms", "p99_ms"))
    print(f"keyed live at {args.rate // 2} calls/s: {p50:.2f} ms more than direct (p50), "
          f"{p99:.2f} ms (p99)")
    print(f"{idle['clients']} idle clients: {idle['rss_mib']:.0f} MiB resident "
          f"({idle['grown_mib']:.0f} MiB more than before)")
    for kind, rows in active.items():
        few, many = rows[100], rows[args.clients]
        print(f"{args.rate} calls/s {kind}, p99: 100 clients {few['p99_ms']:.2f} ms, "
              f"{args.clients} clients {many['p99_ms']:.2f} ms "
              f"({many['p99_ms'] / few['p99_ms']:.2f} times)")
    if args.json:
        pathlib.Path(args.json).write_text(
            json.dumps({"figures": figures, "heard": heard, "idle": idle, "active": active,
                        "calm": calm},
                       indent=1))


if __name__ == "__main__":
    import generator  # these take their parts from here
    import pending
    main()
