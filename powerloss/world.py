"""One world: upstreams, clients, and a Holdfast that is ended and started again on one journal."""

import concurrent.futures
import json
import random
import time

import judge
from holdfast import Holdfast, write_config
from load import ACKNOWLEDGED, STRANGER, Clients, Gate, Line
from process import RigError, wait_for
from upstream import Upstreams

LOOKERS = 8
AT_STAKE_SECONDS = 0.8    # what was told so long before an end is looked at, all of it
OLDER = 40                # and so many drawn from what was told earlier
STRANGERS = 3
START_SECONDS = 30.0
HEAL_SECONDS = 60.0


class Broken(Exception):
    """Holdfast did what it never may, so that this world cannot go on: a violation by itself."""

    def __init__(self, oracle, text):
        super().__init__(f"{oracle}: {text}")


class World:
    """folder: of configuration and output, outside of the disk. journal: Holdfast's data."""

    def __init__(self, program, folder, journal, seed, calm=False):
        self.seed = seed
        self.ends = []
        self.holdfast = None
        self._program = program
        self._folder = folder
        self._journal = journal
        self._config = folder / "holdfast.yaml"
        self._rng = random.Random(f"{seed}/looks")
        self._looked = 0
        self._violations = []
        folder.mkdir(parents=True, exist_ok=True)
        self._upstreams = Upstreams(program, folder, seed, calm)
        write_config(self._config, journal, self._upstreams.keyed, self._upstreams.bare)
        self._gate = Gate()
        self.clients = Clients(seed, self._gate)
        self._started = 0

    # ---- lives

    def spawn(self, under=()):
        """Starts Holdfast without waiting for it."""
        self._started += 1
        self.holdfast = Holdfast(self._program, self._config, self._folder,
                                 f"holdfast-{self._started}", under)
        return self.holdfast

    def let_in(self):
        """Waits until it listens, and lets the clients in. Broken when it does not."""
        try:
            ready = self.holdfast.wait_ready(START_SECONDS)
        except RigError:
            ready = False
        if not ready:
            said = self.holdfast.errors()[-600:]
            self.holdfast.kill()
            raise Broken("start", f"life {self._started}: {said}")
        self._gate.open(self.holdfast.port)

    def start(self):
        self.spawn()
        self.let_in()

    def shut_out(self):
        """Nobody begins a request from here on; what is under way goes on."""
        self._gate.shut()

    def over(self):
        """The process is gone. Notes when: what was under way then is in doubt."""
        self._gate.shut()
        self.ends.append(time.time())

    def kill(self, may_be_gone=False):
        """kill -9. A process that has ended by itself is Broken, unless it had a reason to."""
        if not may_be_gone:
            self.check_alive()
        self.holdfast.kill()
        self.over()

    def check_alive(self):
        if not self.holdfast.alive():
            raise Broken("died", f"life {self._started}, exit code {self.holdfast.wait()}: "
                                 f"{self.holdfast.errors()[-600:]}")

    def wait_load(self, requests, within=30.0, may_end=False):
        """Until so many more requests were made. False: it ended before, which it may if said."""
        target = self.clients.answered() + requests
        try:
            wait_for("the load", lambda: self.clients.answered() >= target
                     or not self.holdfast.alive(), within)
        except RigError:
            raise Broken("stuck", f"life {self._started}: {requests} requests were not made in "
                                  f"{within:g} s: {self.holdfast.errors()[-600:]}") from None
        if not may_end:
            self.check_alive()
        return self.holdfast.alive()

    # ---- looks

    def look(self, everything=False):
        """Looks at what was told, with the credential of its owner: all that was told shortly
        before the last end, and some of what is older; or all there is. How many calls."""
        self.clients.rest()
        try:
            return self._look(everything)
        finally:
            self.clients.rest(False)

    def _look(self, everything):
        records = self.clients.records[:]
        first, self._looked = self._looked, len(records)
        last_end = self.ends[-1] if self.ends else 0.0
        fresh, old = {}, {}
        for i, told in enumerate(records):
            if told.what == "ask" and told.call and told.outcome in (*ACKNOWLEDGED, "final"):
                at_stake = i >= first and 0 <= last_end - told.told <= AT_STAKE_SECONDS
                (fresh if everything or at_stake else old)[told.call] = told
        for call in fresh:
            old.pop(call, None)
        chosen = list(fresh.values())
        chosen += self._rng.sample(list(old.values()), min(OLDER, len(old)))
        self._look_at(chosen)
        return len(chosen)

    def _look_at(self, chosen):
        gate = self._gate.now()
        if gate is None or not chosen:
            return
        strangers = set(self._rng.sample(range(len(chosen)), min(STRANGERS, len(chosen))))
        work = list(enumerate(chosen))
        with concurrent.futures.ThreadPoolExecutor(LOOKERS) as pool:
            for done in [pool.submit(self._looker, gate, work[i::LOOKERS], strangers)
                         for i in range(LOOKERS)]:
                done.result()

    def _looker(self, gate, work, strangers):
        line = Line(self.clients.records.append)
        try:
            for i, told in work:
                path = f"/.holdfast/calls/{told.call}"
                status = line.look(gate, "status", told.order, told.call, path)
                if told.outcome == "final":
                    line.ask(gate, self.clients.orders[told.order])
                elif status.state == "answered":
                    line.look(gate, "response", told.order, told.call, path + "/response")
                if i in strangers:
                    line.look(gate, "stranger", told.order, told.call, path, STRANGER)
        finally:
            line.close()

    # ---- the end

    def finish(self):
        """Heals everything, sees all calls to their end, looks at all of them; the violations."""
        self._upstreams.heal()
        if not self.clients.finish(HEAL_SECONDS):
            self._complain("never-told", "clients still ask a minute after all was healed")
            self.clients.abandon()
        try:
            wait_for("all calls have ended", self._at_rest, HEAL_SECONDS, every=0.1)
        except RigError:
            pass  # the looks will say which ones have not
        self.look(everything=True)
        self.holdfast.end()
        self._violations += judge.judge(*self.evidence())
        for trouble in self.clients.trouble:
            raise RigError(trouble)
        return self._violations

    def evidence(self):
        effects, requests = self._upstreams.ledger()
        return self.clients.records, effects, requests, self.ends

    def tally(self):
        return judge.tally(*self.evidence())

    def _at_rest(self):
        return not any(self.holdfast.standing(s) for s in ("waiting", "sending", "verifying"))

    def _complain(self, oracle, text):
        self._violations.append(judge.Violation(oracle, "-", self._gate.lives, text))

    def keep(self, into):
        """Writes the records and ledgers down, for whoever looks into a violation."""
        with open(into / "records.txt", "w") as out:
            out.writelines(f"{told}\n" for told in self.clients.records)
        with open(into / "ledger.json", "w") as out:
            json.dump({"ledger": self._upstreams.ledger(), "ends": self.ends}, out)

    def close(self):
        """Ends all that still runs."""
        if self.holdfast is not None:
            self.holdfast.kill()
        self._gate.shut()
        self._upstreams.end()
        self.clients.abandon()
