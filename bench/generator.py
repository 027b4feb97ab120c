#!/usr/bin/env python3
"""`./x bench --generator`: what a request costs `holdfast load`, beside wrk.

Both load the same nginx, each alone on a core, in turns: wrk as fast as it can (it is a closed
loop), `holdfast load` at shares of the rate that wrk reached. CPU is the generator's own, user and
system; ratios of one run mean something, absolute figures belong to the machine and the hour.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import bench

SHARES = (0.25, 0.5, 0.75, 0.9)


def timed(command, seconds):
    """(what it printed, its CPU seconds)."""
    pin = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    before = os.times()
    out = subprocess.run(pin + command, capture_output=True, text=True, timeout=seconds + 60)
    after = os.times()
    return out, (after.children_user - before.children_user +
                 after.children_system - before.children_system)


def of_wrk(url, seconds):
    out, cpu = timed(["wrk", "-t1", "-c64", f"-d{seconds}s", url], seconds)
    found = re.search(r"(\d+) requests in", out.stdout)
    if not found:
        sys.exit(f"bench: wrk failed\n{out.stdout}{out.stderr}")
    requests = int(found.group(1))
    return {"rate": requests / seconds, "cpu_us": cpu * 1e6 / max(1, requests), "errors": 0}


def of_load(url, seconds, rate):
    out, cpu = timed([str(bench.ROOT / "build/release/holdfast"), "load", url, "--rate",
                      f"{int(rate)}/s", "--duration", f"{seconds}s", "--connections", "64",
                      "--json"], seconds)
    if not out.stdout.startswith("{"):
        sys.exit(f"bench: holdfast load failed\n{out.stderr}")
    step = json.loads(out.stdout)["steps"][0]
    return {"rate": step["throughput"], "cpu_us": cpu * 1e6 / max(1, step["answered"]),
            "errors": step["errors"], "late_ms": step["generator"]["lag_p99_us"] / 1000}


def run(args):
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    port = bench.free_port()
    server = bench.Process("upstream", bench.nginx_config(directory, port, None), port, 1)
    url = f"http://127.0.0.1:{port}/"
    closed, opened = [], {share: [] for share in SHARES}
    try:
        for turn in range(args.rounds):
            closed.append(of_wrk(url, args.seconds))
            for share in SHARES:
                opened[share].append(of_load(url, args.seconds, closed[-1]["rate"] * share))
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    wrk = bench.summary(closed)
    print(f"{'GET, 64 connections, one core':36} {'requests/s':>10} {'CPU us':>8} {'times':>6} "
          f"{'late ms':>8} {'errors':>7}")
    print(f"{'wrk, as fast as it can':36} {wrk['rate']:10.0f} {wrk['cpu_us']:8.2f} {1:6.2f}")
    figures = {"wrk": wrk}
    for share, rows in opened.items():
        row = figures[f"load {share}"] = bench.summary(rows)
        print(f"{f'holdfast load, {share:.0%} of that rate':36} {row['rate']:10.0f} "
              f"{row['cpu_us']:8.2f} {row['cpu_us'] / wrk['cpu_us']:6.2f} {row['late_ms']:8.2f} "
              f"{row['errors']:7.0f}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(figures, indent=1))
