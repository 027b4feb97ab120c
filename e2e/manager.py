"""What systemd is to a socket-activated service: it holds the listening sockets, passes them to
each process that it starts, and hears what that says.

Orders come as lines of JSON on the standard input, what happens goes out as such lines:
  {"start": [ARGV..], "env": {..}}   -> {"started": PID}, later {"ended": PID, "code": N or -SIGNAL}
  what the process tells of itself   -> {"said": TEXT}
The first line is {"listening": [ADDRESS..]}. Arguments: a folder for sockets; the kinds of those
to pass, by commas: tcp, unix, or a connection instead of a listener. The service writes to our
standard error.
"""

import json
import os
import socket
import sys
import threading

FIRST = 3


def out(**what):
    # One write: threads share the pipe.
    os.write(1, (json.dumps(what) + "\n").encode())


def listener():
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    return held


def make(kind, folder, kept):
    if kind == "unix":
        held = socket.socket(socket.AF_UNIX)
        held.bind(os.path.join(folder, "socket"))
        held.listen()
        return held
    held = listener()
    if kind == "connection":
        kept.append(held)
        return socket.create_connection(held.getsockname())
    return held


def start(sockets, notify, order):
    pid = os.fork()
    if pid > 0:
        return pid
    # Out of the way of 3 and on first: a copy could be written over before it is read.
    moved = [os.dup(held.fileno()) for held in sockets]
    high = [fd if fd >= FIRST + len(moved) else None for fd in moved]
    while None in high:
        i = high.index(None)
        fd = os.dup(moved[i])
        high[i] = fd if fd >= FIRST + len(moved) else None
        moved[i] = fd
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST + i, inheritable=True)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    env = {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)),
           "LISTEN_FDNAMES": ":".join(f"socket-{i}" for i in range(len(sockets))),
           "NOTIFY_SOCKET": notify, **order.get("env", {})}
    os.execvpe(order["start"][0], order["start"], env)


def main():
    folder, kinds = sys.argv[1:]
    kept = []
    sockets = [make(kind, folder, kept) for kind in kinds.split(",")]
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(os.path.join(folder, "notify"))

    def listen():
        while True:
            out(said=notify.recv(4096).decode())

    def wait(pid):
        _, status = os.waitpid(pid, 0)
        out(ended=pid, code=os.waitstatus_to_exitcode(status))

    threading.Thread(target=listen, daemon=True).start()
    names = [held.getsockname() for held in sockets]
    out(listening=[f"{name[0]}:{name[1]}" if isinstance(name, tuple) else name for name in names])
    for line in sys.stdin:
        pid = start(sockets, notify.getsockname(), json.loads(line))
        out(started=pid)
        threading.Thread(target=wait, args=(pid,), daemon=True).start()


if __name__ == "__main__":
    main()
