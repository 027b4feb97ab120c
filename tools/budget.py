"""What the last builds spent their time on, from ninja's own log: ./x budget."""

import sys

from steps import BUILD

SHOWN = 15


def slowest(log):
    """[(seconds, output)] of the newest entry of every output, slowest first."""
    spent = {}
    for line in log.read_text().splitlines():
        if line.startswith("#"):
            continue
        start, end, _, output, _ = line.split("\t")
        spent[output] = (int(end) - int(start)) / 1000
    return sorted(((s, o) for o, s in spent.items()), reverse=True)


def main():
    logs = sorted(BUILD.glob("*/.ninja_log"))
    if not logs:
        print("nothing has been built yet: ./x build")
        return 1
    for log in logs:
        found = slowest(log)
        total = sum(seconds for seconds, _ in found)
        print(f"{log.parent.name}: {total:.0f} s of compiling and linking in {len(found)} steps")
        for seconds, output in found[:SHOWN]:
            print(f"  {seconds:6.1f} s  {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
