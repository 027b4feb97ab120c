"""What the tests of the packages share: a configuration, calls by curl, waiting for a condition."""

import re
import subprocess
import time

CONFIG = """\
listen: 127.0.0.1:{listen}
admin: 127.0.0.1:{admin}
health: 127.0.0.1:{health}
journal: {{ path: {journal} }}
upstreams:
  shop:
    url: http://upstream.test:{upstream}
    idempotency: {{ mode: key, header: Idempotency-Key, lifetime: 1h }}
    inject: {{ Authorization: "Bearer ${{file:{secret}}}" }}
    breaker: {{ open: 200ms..500ms }}
routes:
  - path: /
    upstream: shop
    key: {{ stable: true, from: [ {{ header: Idempotency-Key }} ] }}
    hold: on_failure
    wait: 2s
    retry: {{ held: [200ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 5s, 5s] }}
"""


def until(what, condition, within=30):
    end = time.monotonic() + within
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)  # sleep: between two looks at a condition
    raise AssertionError(f"not within {within} s: {what}")


def equal(have, want, what=""):
    assert have == want, f"{what}: {have!r}, not {want!r}"


def curl(*args, prefix=()):
    """(status, body); status 0: no answer."""
    done = subprocess.run([*prefix, "curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}",
                           *args], capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status or 0), body


def pay(url, key, prefix=()):
    return curl(f"{url}/pay", "-d", f"order={key}", "-H", f"Idempotency-Key: {key}", prefix=prefix)


def reading(process, pattern):
    """The group of the pattern in what a process says on its first lines."""
    for line in process.stdout:
        match = re.search(pattern, line)
        if match:
            return match[1]
    raise AssertionError(f"it ended before it said {pattern}")


def owner(path):
    about = path.lstat()
    return about.st_uid, about.st_gid, oct(about.st_mode & 0o7777)
