"""Orders drawn from a seed, and clients that ask for them until they know. Everything that a client
asks and is told is written down, outside of Holdfast and of its disk: the record is what is judged.
"""

import dataclasses
import http.client
import json
import random
import threading
import time
import urllib.parse

AUTH = "Bearer sk_test_powerloss"
STRANGER = "Bearer sk_test_stranger"
CLIENTS = 12
ANSWER_SECONDS = 15
PAUSE = 0.02
# What a client that was told "pending" does: it goes on with other orders, and asks again later.
ACKNOWLEDGED = ("accepted", "held")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to ask. keyed: the upstream honours keys; sure: doubts are settled, never `unknown`."""
    name: str
    path: str
    weight: int
    sure: bool


KINDS = {kind.name: kind for kind in (
    Kind("live", "/live/v1/charges", 30, True),
    Kind("held", "/held/v1/charges", 20, True),
    Kind("async", "/held/v1/charges", 20, True),
    Kind("once", "/once/pay", 8, False),
    Kind("kept", "/kept/pay", 10, False),
    Kind("asked", "/asked/charges", 12, True),
)}


@dataclasses.dataclass(frozen=True)
class Order:
    name: str
    kind: str
    path: str
    fields: dict
    body: bytes
    twin: bool      # a second client asks for it at the same time
    gives_up: bool  # leaves it at the first answer that says "no effect"
    returns: bool   # asks once more after it knows


@dataclasses.dataclass(frozen=True)
class Told:
    """One request and what came of it. Times are wall clock seconds, as the upstream's."""
    order: str
    what: str          # "ask", or a look: "status", "response", "stranger"
    life: int          # of Holdfast, from 1
    asked: float
    told: float
    status: int = 0    # 0: no whole answer
    code: str = ""     # of a problem
    effect: str = ""   # Holdfast-Effect
    call: str = ""
    replayed: bool = False
    again: bool = False  # safe_to_retry
    state: str = ""    # of a status
    body: bytes = b""

    @property
    def outcome(self):
        """What it means to a client, in a word; the judge's words too."""
        if self.status == 0:
            return "nothing"
        if self.status == 202 and self.effect == "pending":
            return "accepted"
        if self.code == "held":
            return "held"
        if self.code == "outcome-unknown":
            return "unknown"
        if not self.code and self.effect in ("", "applied") and 200 <= self.status < 500:
            return "final"
        if not self.code and self.effect in ("none", "unknown"):
            return "doubt"  # the upstream's own answer, which settles nothing: the key stays
        if self.effect == "none":
            return "none"
        if self.effect == "applied":
            return "applied"
        if self.code == "in-progress" or (self.effect == "unknown" and self.again):
            return "doubt"
        if self.effect == "unknown":
            return "unknown"
        return "odd"


def draw(seed, index):
    """The order of this number. The same in every run of a seed."""
    rng = random.Random(f"{seed}/order/{index}")
    kind = rng.choices(list(KINDS.values()), [each.weight for each in KINDS.values()])[0]
    name = f"{kind.name}-{index}"
    size = rng.choice((100, 500, 1500, 4000, 9000)) + rng.randrange(400)
    form = {"amount": str(rng.randrange(100, 9999)), "currency": "usd", "source": "tok_visa"}
    if kind.name == "asked":
        form["ref"] = name
    else:
        form["metadata[order]"] = name
    form["pad"] = f"{rng.getrandbits(4 * size):x}"
    fields = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": AUTH}
    if kind.name in ("live", "once", "kept"):
        fields["Idempotency-Key"] = name
    if kind.name == "async":
        fields["Prefer"] = "respond-async"
    return Order(name, kind.name, kind.path, fields, urllib.parse.urlencode(form).encode(),
                 twin=rng.random() < 0.08, gives_up=rng.random() < 0.15,
                 returns=rng.random() < 0.25)


class Line:
    """A client's connection, which stays open from request to request."""

    def __init__(self, record):
        self._record = record
        self._connection = None
        self._port = None

    def _open(self, port):
        if self._connection is None or self._port != port:
            self.close()
            self._connection = http.client.HTTPConnection("127.0.0.1", port,
                                                          timeout=ANSWER_SECONDS)
            self._port = port
        return self._connection

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _exchange(self, port, method, path, body, fields):
        try:
            connection = self._open(port)
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return None, b""

    def ask(self, gate, order):
        """Asks for an order, with the same key and the same bytes each time."""
        return self._tell(gate, order.name, "ask", "POST", order.path, order.body, order.fields)

    def look(self, gate, what, order, call, path, auth=AUTH):
        return self._tell(gate, order, what, "GET", path, None, {"Authorization": auth}, call)

    def _tell(self, gate, order, what, method, path, body, fields, call=""):
        port, life = gate
        asked = time.time()
        answer, content = self._exchange(port, method, path, body, fields)
        told = Told(order, what, life, asked, time.time(), call=call)
        if answer is not None:
            told = understood(told, answer, content)
        self._record(told)
        return told


def understood(told, answer, content):
    """`told` with what an answer says."""
    problem = {}
    if "json" in answer.getheader("Content-Type", ""):
        try:
            problem = json.loads(content)
        except ValueError:
            pass
    made_here = answer.getheader("Content-Type", "").startswith("application/problem+json")
    return dataclasses.replace(
        told, status=answer.status, effect=answer.getheader("Holdfast-Effect", ""),
        code=problem.get("error", {}).get("code", "") if made_here else "",
        call=told.call or answer.getheader("Holdfast-Call", ""),
        replayed=answer.getheader("Idempotent-Replayed", "") == "true",
        again=made_here and problem.get("safe_to_retry") is True,
        state=problem.get("state", "") if told.what in ("status", "stranger") else "",
        body=content)


class Gate:
    """Where Holdfast listens now. Clients wait here while it is down."""

    def __init__(self):
        self._changed = threading.Condition()
        self._open = None
        self.lives = 0

    def open(self, port):
        with self._changed:
            self.lives += 1
            self._open = (port, self.lives)
            self._changed.notify_all()

    def shut(self):
        with self._changed:
            self._open = None

    def now(self):
        return self._open

    def wait(self, within=0.2):
        with self._changed:
            self._changed.wait_for(lambda: self._open is not None, within)
            return self._open


class Clients:
    """So many clients at once, taking order after order until they are told to stop."""

    def __init__(self, seed, gate, count=CLIENTS):
        self.seed = seed
        self.records = []
        self.orders = {}
        self._gate = gate
        self._lock = threading.Lock()
        self._next = 0
        self._spare = []      # orders that a second client is to ask for
        self._stopping = False
        self._giving_up = False
        self._resting = threading.Event()
        self.trouble = []
        self._threads = [threading.Thread(target=self._client, args=(i,), daemon=True)
                         for i in range(count)]
        for thread in self._threads:
            thread.start()

    def answered(self):
        return len(self.records)

    def rest(self, on=True):
        """No new orders for a while; those begun go on."""
        (self._resting.set if on else self._resting.clear)()

    def finish(self, within):
        """Takes no new orders, sees those begun to their end. False: some client still asks."""
        self._stopping = True
        end = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def abandon(self):
        self._stopping = self._giving_up = True
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 5)

    def _take(self):
        with self._lock:
            if self._spare:
                return self._spare.pop()
            if self._stopping or self._resting.is_set():
                return None
            order = draw(self.seed, self._next)
            self._next += 1
            self.orders[order.name] = order
            if order.twin:
                self._spare.append(order)
            return order

    def _client(self, number):
        rng = random.Random(f"{self.seed}/client/{number}")
        line = Line(self.records.append)
        try:
            while not self._giving_up:
                gate = self._gate.wait()
                order = self._take() if gate else None
                if order is not None:
                    self._see(line, order, rng)
                elif self._stopping:
                    return
                else:
                    time.sleep(PAUSE)  # sleep: resting, or Holdfast is down
        except Exception as error:  # a client that dies silently would look like a calm world
            self.trouble.append(f"client {number}: {error!r}")
        finally:
            line.close()

    def _see(self, line, order, rng):
        """Asks until there is an end of it."""
        more = order.returns
        while not self._giving_up:
            gate = self._gate.wait()
            if gate is None:
                continue
            told = line.ask(gate, order)
            outcome = told.outcome
            if outcome in ACKNOWLEDGED or outcome in ("final", "unknown", "applied", "odd"):
                if not more:
                    return
                more = False
            elif outcome == "none" and (order.gives_up or not told.again):
                return
            if outcome != "final":
                # sleep: a client's pause before it asks again
                time.sleep(PAUSE * (0.5 + rng.random()))
