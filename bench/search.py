#!/usr/bin/env python3
"""What `holdfast explain` takes with a million calls in the journal.

Fills a journal with ended calls, serves it with the real binary and asks its admin API by field,
each question several times; the first answer of each is shown beside the median. Everything runs on
loopback and stops by itself.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"

QUESTIONS = [
    ("a rare field", {"match": ["customer=cus_77777"]}),
    ("a field that every call has", {"match": ["country=de"]}),
    ("a common and a rare one", {"match": ["country=de", "customer=cus_77777"]}),
    ("three, one of them rare", {"match": ["country=de", "amount=2700", "customer=cus_77777"]}),
    ("two that never meet", {"match": ["amount=100", "amount=200"]}),
    ("nobody has it", {"match": ["customer=nobody"]}),
    ("by key", {"key": "order-123456"}),
]

CONFIG = """
listen: 127.0.0.1:0
admin: 127.0.0.1:0
journal: {{ path: "{path}", max_bytes: 100GiB }}
upstreams:
  bank: {{ url: "http://127.0.0.1:9" }}
routes:
  - path: /
    upstream: bank
    key: {{ from: [ {{ header: Idempotency-Key }} ] }}
    index: {{ customer: {{ form: customer }}, amount: {{ form: amount }},
              country: {{ form: country }} }}
"""


def ask(base, token, path, question):
    query = urllib.parse.urlencode(question, doseq=True)
    request = urllib.request.Request(f"{base}/v1/{path}?{query}",
                                     headers={"Authorization": f"Bearer {token}"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
    return (time.perf_counter() - begun) * 1000, json.loads(body)


def main():
    args = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--calls", type=int, default=1_000_000)
    args.add_argument("--rounds", type=int, default=20)
    args = args.parse_args()
    subprocess.run(["ninja", "-C", str(BUILD), "holdfast", "holdfast-fill-journal"], check=True,
                   stdout=subprocess.DEVNULL)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-search-"))
    server = None
    try:
        begun = time.monotonic()
        subprocess.run([str(BUILD / "holdfast-fill-journal"), str(directory / "data"),
                        "--calls", str(args.calls)], check=True)
        size = sum(f.stat().st_size for f in (directory / "data").rglob("*") if f.is_file())
        print(f"{args.calls:,} calls, {size / 2**30:.2f} GiB, "
              f"filled in {time.monotonic() - begun:.0f} s")
        config = directory / "holdfast.yaml"
        config.write_text(CONFIG.format(path=directory / "data"))
        server = subprocess.Popen([str(BUILD / "holdfast"), "serve", "-c", str(config)],
                                  stdout=subprocess.PIPE, text=True)
        base = None
        for line in server.stdout:
            if found := re.match(r"admin on (\S+)", line):
                base = found.group(1)
                break
        if not base:
            sys.exit("search: holdfast did not start")
        token = (directory / "data/admin.token").read_text().strip()
        print(f"{'explain':<32} {'first':>9} {'median':>9} {'worst':>9}  calls")
        for name, question in QUESTIONS:
            times = []
            for _ in range(args.rounds):
                took, answer = ask(base, token, "explain", {"since": "3d", **question}
                                   if "match" in question else question)
                times.append(took)
            print(f"{name:<32} {times[0]:>6.1f} ms {statistics.median(times):>6.1f} ms "
                  f"{max(times):>6.1f} ms  {len(answer['calls'])}")
        took, answer = ask(base, token, "duplicates", {"since": "3d"})
        print(f"duplicates over all of them: {took:.0f} ms, {answer['calls']:,} calls")
    finally:
        if server:
            server.terminate()
            server.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
