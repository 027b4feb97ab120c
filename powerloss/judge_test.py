"""Every oracle of judge.py finds its bad sample and leaves a good one alone, and the draws of the
load are those of their seed (ctest: powerloss.judge)."""

import dataclasses
import unittest

import judge
import load
from load import Told

CALL = "06gz"


def told(kind, what="ask", at=10.0, took=0.1, **more):
    """An answer to a request of at `at`, in life 1."""
    return dataclasses.replace(Told(f"{kind}-1", what, 1, at, at + took), **more)


def final(kind, at=10.0, body=b"{}", **more):
    return told(kind, at=at, status=200, call=CALL, body=body, **more)


def replay(kind, at=20.0, body=b"{}"):
    return final(kind, at, body, replayed=True)


def accepted(kind, at=10.0):
    return told(kind, at=at, status=202, effect="pending", call=CALL)


def status(kind, state, at=30.0, **more):
    return told(kind, "status", at, **{"status": 200, "call": CALL, "state": state, **more})


def effect(seq=1, at=10.05):
    return {"seq": seq, "at_ms": int(at * 1000)}


def request(answered=200, fault=None):
    return {"status_answered": answered, "fault": fault}


def oracles(kind, records, effects=1, requests=1, ends=()):
    """The names of the oracles that speak."""
    if isinstance(effects, int):
        effects = [effect(i) for i in range(effects)]
    if isinstance(requests, int):
        requests = [request() for _ in range(requests)]
    found = judge.judge(records, {f"{kind}-1": effects}, {f"{kind}-1": requests}, list(ends))
    return sorted({violation.oracle for violation in found})


class Good(unittest.TestCase):
    def test_a_call_that_is_answered_and_replayed(self):
        for kind in load.KINDS:
            self.assertEqual([], oracles(kind, [final(kind), replay(kind),
                                                status(kind, "answered")]), kind)

    def test_a_call_that_is_held_and_answered_later(self):
        records = [accepted("async"), status("async", "waiting", 12.0),
                   told("async", "response", 13.0, status=200, replayed=True, call=CALL,
                        body=b"{}"),
                   status("async", "answered"), replay("async", 40.0)]
        self.assertEqual([], oracles("async", records))

    def test_one_in_doubt_that_nobody_can_settle(self):
        records = [accepted("kept"), status("kept", "unknown")]
        self.assertEqual([], oracles("kept", records, requests=[request(0, "reset_after")]))
        self.assertEqual([], oracles("kept", records, effects=0, requests=0, ends=[15.0]))

    def test_no_answer_at_all_promises_nothing(self):
        self.assertEqual([], oracles("live", [told("live")], effects=0, requests=0))


class Bad(unittest.TestCase):
    def expect(self, oracle, kind, records, **more):
        self.assertIn(oracle, oracles(kind, records, **more))

    def test_doubled(self):
        self.expect("doubled", "live", [final("live"), status("live", "answered")], effects=2)
        strange = judge.judge([], {"live-9": [effect()]}, {}, [])
        self.assertEqual(["doubled"], [violation.oracle for violation in strange])

    def test_sent_again(self):
        self.expect("sent-again", "once", [final("once")], requests=2)
        self.assertNotIn("sent-again", oracles("live", [final("live")], requests=2))

    def test_lost(self):
        self.expect("lost", "async", [accepted("async")])
        self.expect("lost", "async", [accepted("async"), status("async", "waiting")])
        self.expect("lost", "async", [accepted("async"), status("async", "answered")], effects=0)
        self.expect("lost", "async", [accepted("async"), status("async", "dead")])
        held = told("held", status=503, code="held", effect="pending", call=CALL)
        self.expect("lost", "held", [held, status("held", "sending")])

    def test_absent_after_cut(self):
        gone = status("live", "", 12.0, status=404, code="no-such-call", effect="none")
        self.expect("absent-after-cut", "live", [final("live"), gone, status("live", "answered")])
        busy = status("live", "", 12.0, status=503, code="journal-unavailable", effect="unknown")
        self.assertEqual([], oracles("live", [final("live"), busy, status("live", "answered")]))

    def test_one_answer(self):
        end = status("live", "answered")
        self.expect("one-answer", "live", [final("live"), replay("live", body=b"[]"), end])
        self.expect("one-answer", "live", [final("live"), final("live", 20.0), end])
        twin = final("live", 10.05)
        self.assertEqual([], oracles("live", [final("live"), twin, end]), "asked meanwhile")
        other = told("live", "response", 20.0, status=200, call=CALL, body=b"[]", replayed=True)
        self.expect("one-answer", "live", [final("live"), other, end])

    def test_went_back(self):
        end = status("live", "answered")
        again = told("live", at=20.0, status=409, code="in-progress", effect="unknown", again=True)
        self.expect("went-back", "live", [final("live"), again, end])
        self.expect("went-back", "live", [final("live"), end, status("live", "waiting", 40.0)])
        unknown = told("once", status=409, code="outcome-unknown", effect="unknown")
        self.expect("went-back", "once", [unknown, final("once", 20.0), status("once", "answered")])

    def test_attribution(self):
        none = told("live", at=20.0, status=503, code="overloaded", effect="none", again=True)
        self.expect("attribution", "live", [told("live"), none])
        self.expect("attribution", "live", [told("live", status=503, effect="none", code="held")],
                    effects=[effect(at=50.0)])
        self.assertEqual([], oracles("live", [none], effects=0))
        self.expect("attribution", "live", [final("live"), status("live", "answered")],
                    effects=[effect(at=11.0)])
        applied = told("live", status=409, code="outcome-applied", effect="applied")
        self.expect("attribution", "live", [applied], effects=0)

    def test_unknown_without_cause(self):
        unknown = told("once", status=409, code="outcome-unknown", effect="unknown")
        self.expect("unknown-without-cause", "once", [unknown])
        self.expect("unknown-without-cause", "once", [unknown], requests=[request(fault="slow=9")])
        self.expect("unknown-without-cause", "once", [unknown], ends=[5.0, 30.0])
        keyed = [accepted("async"), status("async", "unknown")]
        self.expect("unknown-without-cause", "async", keyed, requests=[request(0, "reset_after")])

    def test_odd(self):
        self.expect("odd", "live", [told("live", status=422, code="key-reused")])
        self.expect("odd", "live", [told("live", status=500)])

    def test_stranger(self):
        shown = told("live", "stranger", 20.0, status=200, call=CALL, state="answered")
        self.expect("stranger", "live", [final("live"), shown, status("live", "answered")])

    def test_every_oracle_of_an_order_is_described(self):
        self.assertLessEqual(set(judge.CHECKS), set(judge.ORACLES))


class Load(unittest.TestCase):
    def test_a_seed_draws_the_same_orders(self):
        self.assertEqual([load.draw("7/a", i) for i in range(50)],
                         [load.draw("7/a", i) for i in range(50)])
        self.assertNotEqual(load.draw("7/a", 1), load.draw("8/a", 1))

    def test_every_kind_comes(self):
        self.assertEqual(set(load.KINDS), {load.draw("7/a", i).kind for i in range(200)})

    def test_a_business_key_is_in_the_body(self):
        drawn = {order.kind: order for order in (load.draw("7/a", i) for i in range(200))}
        self.assertNotIn("Idempotency-Key", drawn["held"].fields)
        self.assertIn(f"ref={drawn['asked'].name}".encode(), drawn["asked"].body)


if __name__ == "__main__":
    unittest.main()
