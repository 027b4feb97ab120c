#!/usr/bin/env python3
"""Each piece of a call's path keeps to its bound: allocations, and what a held call writes.

Counts, not times: they are the same on every machine. Who makes a piece dearer sees it here; who
makes one cheaper lowers the bound in bench/micro_bounds.json.
"""

import json
import pathlib
import subprocess
import sys


def main():
    bounds = json.loads((pathlib.Path(__file__).parent / "micro_bounds.json").read_text())
    out = subprocess.run([sys.argv[1], "--benchmark_format=json", "--benchmark_min_time=0.01"],
                         capture_output=True, text=True, check=True).stdout
    rows = {row["name"]: row for row in json.loads(out)["benchmarks"]}
    faults = [f"{name} is not in micro_bounds.json" for name in rows if name not in bounds]
    for name, limits in bounds.items():
        for what, most in limits.items():
            got = rows.get(name, {}).get(what)
            if got is None:
                faults.append(f"{name} tells no {what}")
            elif got > most:
                faults.append(f"{name}: {got:.1f} {what}, at most {most}")
    print("\n".join(faults) or f"{len(rows)} pieces within their bounds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
