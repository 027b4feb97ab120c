#!/usr/bin/env python3
"""`./x bench --pending N`: what a durable call costs while N held ones wait.

Two journals, one with N waiting calls of 512-byte bodies and one without, take turns under the same
load. Told besides: the longest of three starts until it is ready, and the most memory.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

import bench

BODY = 500  # and the few bytes that make each another one
RAMP_S = 55  # until the recovery ramp of a start is over, and some


def until_ready(health, seconds=120):
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return time.monotonic() - begun
        except OSError:
            time.sleep(0.01)
    sys.exit("bench: not ready")


class Kind:
    """One of the two journals, and the process on it."""

    def __init__(self, name, directory, upstream, filled):
        self.name, self.rows, self.ready = name, [], []
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir()
        self.upstream, self.process = upstream, None
        if filled:
            subprocess.run([str(bench.ROOT / "build/release/holdfast-fill-journal"),
                            str(self.directory / "held-data"), "--calls", str(filled), "--state",
                            "waiting", "--upstream", "back", "--body", str(BODY)], check=True)

    def start(self):
        self.stop()
        self.port, self.health = bench.free_port(), bench.free_port()
        command = bench.holdfast_config(self.directory, "held", self.port, self.upstream,
                                        self.health)
        begun = time.monotonic()
        self.process = bench.Process(self.name, command, self.health, None)
        until_ready(self.health)
        self.ready.append(time.monotonic() - begun)

    def stop(self):
        if self.process:
            self.process.stop()
        self.process = None

    def one_call(self, number):
        """By itself: what waited for a start comes back slowly, and is over it after a few."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/bench", data=b"x" * 512, method="POST",
            headers={"Idempotency-Key": f"warm-{number}-{time.time_ns()}"})
        urllib.request.urlopen(request, timeout=10).close()

    def turn(self, number, seconds):
        bench.until_quiet(self.process.pid)
        self.rows.append(bench.measure_held(self.process, self.health, seconds, number, self.port))


def run(args):
    directory = tempfile.mkdtemp(prefix="holdfast-pending-")
    back = bench.free_port()
    upstream = bench.Process("upstream", bench.nginx_config(directory, back, None), back, 0)
    kinds = []
    try:
        begun = time.monotonic()
        kinds = [Kind("empty", directory, back, 0), Kind("pending", directory, back, args.pending)]
        print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        for kind in kinds * 3:
            kind.start()
        for number in range(RAMP_S):
            for kind in kinds:
                kind.one_call(number)
            time.sleep(1)  # sleep: the recovery ramp goes by the clock
        for number in range(args.rounds):
            for kind in kinds if number % 2 else reversed(kinds):
                kind.turn(number, args.seconds)
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
        for kind in kinds:
            kind.peak = bench.proc_field(kind.process.pid, "status", "VmHWM") / 1024
    finally:
        for kind in kinds:
            kind.stop()
        upstream.stop()
        shutil.rmtree(directory, ignore_errors=True)
    figures = {}
    print(f"{'durable calls':24} {'calls/s':>9} {'CPU us':>8} {'p99 ms':>8} {'bytes':>8} "
          f"{'ready s':>8} {'MiB':>6}")
    for kind in kinds:
        row = bench.summary(kind.rows)
        row["ready_s"], row["rss_mib"] = max(kind.ready), kind.peak
        figures[kind.name] = row
        name = kind.name if kind is kinds[0] else f"{args.pending} {kind.name}"
        print(f"{name:24} {row['rate']:9.0f} {row['cpu_us']:8.1f} {row['p99_ms']:8.2f} "
              f"{row['bytes']:8.0f} {row['ready_s']:8.2f} {row['rss_mib']:6.0f}")
    times = figures["pending"]["cpu_us"] / figures["empty"]["cpu_us"]
    print(f"{times:.2f} times the processor time of an empty journal")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"pending": args.pending, **figures},
                                                      indent=1))
