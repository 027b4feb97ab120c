"""What must hold, judged from the clients' records and the upstreams' ledger alone. Nothing here
asks Holdfast anything: that was done while it ran, and what it said is part of the records.
"""

import dataclasses

from load import ACKNOWLEDGED, KINDS

# States from which a call goes nowhere by itself.
ENDED = ("answered", "dead", "cancelled")
AT_REST = (*ENDED, "unknown")
# A process that cannot work says so, without a word about the call.
NOT_NOW = ("journal-unavailable", "overloaded", "draining")
# Faults after which an upstream's answer was whole and true.
HARMLESS_FAULTS = ("slow",)
MS = 0.001  # the ledger's clock counts whole ones

ORACLES = {
    "doubled": "no order has two effects",
    "sent-again": "an upstream without keys gets an order once",
    "lost": "an acknowledged call is there, and ends or stands in unknown",
    "absent-after-cut": "the owner of an acknowledged call sees it, at once after a cut",
    "one-answer": "a final answer that was told is told again byte for byte, marked as a replay",
    "went-back": "what has ended stays as it ended",
    "attribution": "effect none, applied and a success are true when they are told",
    "unknown-without-cause": "a call is unknown only where an attempt was in doubt",
    "never-told": "after healing every client comes to an end",
    "odd": "no answer that the client's page does not know",
    "stranger": "a call is not shown to others",
    "start": "Holdfast starts on what the cut has left",
    "died": "it does not end by itself, but where its disk fails",
    "stuck": "it goes on answering",
    "file-system": "the file system is whole (if it is not, the rig or the kernel is at fault)",
}


@dataclasses.dataclass(frozen=True)
class Violation:
    oracle: str
    order: str
    life: int
    text: str

    def __str__(self):
        return f"{self.oracle}: {self.order} (life {self.life}): {self.text}"


@dataclasses.dataclass
class Case:
    """All that is known of one order."""
    kind: object
    told: list       # of this order's requests and looks, in the order in which they were told
    effects: list    # of the ledger
    requests: list   # of the ledger
    ends: list       # when a life of Holdfast ended, in wall clock seconds

    def asks(self):
        return [t for t in self.told if t.what == "ask"]

    def statuses(self):
        return [t for t in self.told if t.what == "status"]


def at(entry):
    return entry["at_ms"] / 1000


def doubled(case):
    if len(case.effects) > 1:
        yield case.told[-1], f"{len(case.effects)} effects: " + ", ".join(
            f"request {e['seq']} at {at(e):.3f}" for e in case.effects)


def sent_again(case):
    if case.kind.name in ("once", "kept") and len(case.requests) > 1:
        yield case.told[-1], f"sent {len(case.requests)} times, to an upstream without keys"


def acknowledged(case):
    """{call: first answer that acknowledged it}."""
    found = {}
    for told in case.asks():
        if told.outcome in ACKNOWLEDGED or (told.outcome == "final" and told.call):
            found.setdefault(told.call, told)
    return found


def lost(case):
    for call, first in acknowledged(case).items():
        looks = [t for t in case.statuses() if t.call == call and t.status == 200]
        if not looks:
            yield first, f"{call} was acknowledged and never seen again"
            continue
        last = looks[-1]
        if last.state not in AT_REST:
            yield last, f"{call} still stands in {last.state!r} at the end"
        elif last.state == "answered" and not case.effects:
            yield last, f"{call} is answered, and there is no effect"
        elif last.state in ("dead", "cancelled") and case.effects:
            yield last, f"{call} is {last.state}, and there is an effect"


def absent_after_cut(case):
    first = acknowledged(case)
    for look in case.statuses():
        known = first.get(look.call)
        if known and known.told <= look.asked and look.status not in (0, 200) \
                and look.code not in NOT_NOW:
            yield look, f"{look.call} was acknowledged in life {known.life} " \
                        f"({known.status}); its status is {look.status} {look.code}"


def finals(case):
    """Final answers, by asking and by `.../response`."""
    return [t for t in case.told if t.outcome == "final"
            and (t.what == "ask" or (t.what == "response" and t.replayed))]


def one_answer(case):
    told = finals(case)
    for each in told[1:]:
        if (each.status, each.body) != (told[0].status, told[0].body):
            yield each, f"told {each.status} {each.body[:120]!r}, and in life {told[0].life} " \
                        f"{told[0].status} {told[0].body[:120]!r}"
        elif each.what == "ask" and each.asked > told[0].told and not each.replayed:
            yield each, "an answer that had been told comes again without its mark"


def went_back(case):
    told = finals(case)
    for each in case.asks() if told else ():
        if each.asked > told[0].told and each.status != 0 and each.outcome != "final" \
                and each.code not in NOT_NOW:
            yield each, f"answered {told[0].status} in life {told[0].life}, and now " \
                        f"{each.status} {each.code or each.effect}"
    stands = {}
    for look in case.statuses():
        before = stands.get(look.call)
        if look.status == 200:
            if before and before.state in AT_REST and look.state != before.state \
                    and look.asked > before.told:
                yield look, f"{look.call} was {before.state} and is {look.state}"
            stands[look.call] = look
    unknown = [t for t in case.asks() if t.outcome == "unknown"]
    for each in told if unknown and not case.kind.sure else ():
        if each.asked > unknown[0].told:
            yield each, f"was unknown in life {unknown[0].life}, and is answered"


def attribution(case):
    asks = case.asks()
    for told in asks:
        before = [e for e in case.effects if at(e) + MS < told.asked]
        by_then = [e for e in case.effects if at(e) <= told.told + MS]
        if told.effect == "none" and before:
            yield told, f"told effect none ({told.status} {told.code}), and request " \
                        f"{before[0]['seq']} had taken effect {told.asked - at(before[0]):.3f} s " \
                        "before it was asked"
        if told.outcome == "final" and told.status < 300 and not by_then:
            yield told, f"told {told.status}, and there was no effect"
        if told.outcome == "applied" and not by_then:
            yield told, f"told effect applied ({told.code}), and there was none"
    last = max(asks, key=lambda t: t.asked, default=None)
    if last and last.effect == "none" and case.effects and \
            all(t.told < last.asked for t in asks if t is not last):
        yield last, f"the last answer was effect none ({last.status} {last.code}), and there is " \
                    f"an effect of {at(case.effects[0]):.3f} (asked {last.asked:.3f}, told " \
                    f"{last.told:.3f})"


def in_doubt(case, until):
    """Whether something was in doubt: a request that ended badly, or a life that was cut."""
    if any(r["status_answered"] == 0
           or (r["fault"] and not r["fault"].startswith(HARMLESS_FAULTS))
           for r in case.requests):
        return True
    begun = min((t.asked for t in case.asks()), default=until)
    return any(begun - MS <= end <= until for end in case.ends)


def unknown_without_cause(case):
    said = [t for t in case.told if (t.what == "ask" and t.outcome == "unknown")
            or (t.what == "status" and t.state == "unknown")]
    if not said:
        return
    if case.kind.sure:
        yield said[0], f"unknown ({said[0].status} {said[0].code}), where doubts can be settled"
    elif not in_doubt(case, said[0].told):
        yield said[0], "unknown, and every attempt ended well"


def odd(case):
    for told in case.asks():
        if told.outcome == "odd":
            yield told, f"{told.status} {told.code} effect {told.effect!r}: {told.body[:200]!r}"


def stranger(case):
    for told in case.told:
        if told.what == "stranger" and told.status not in (0, 404) and told.code not in NOT_NOW:
            yield told, f"{told.call} is shown to another owner: {told.status}"


CHECKS = {"doubled": doubled, "sent-again": sent_again, "lost": lost,
          "absent-after-cut": absent_after_cut, "one-answer": one_answer, "went-back": went_back,
          "attribution": attribution, "unknown-without-cause": unknown_without_cause, "odd": odd,
          "stranger": stranger}


def cases(records, effects, requests, ends):
    by_order = {}
    for told in sorted(records, key=lambda t: t.told):
        by_order.setdefault(told.order, []).append(told)
    return {name: Case(KINDS[name.split("-")[0]], told, effects.get(name, []),
                       requests.get(name, []), ends) for name, told in by_order.items()}


def judge(records, effects, requests, ends):
    """The first violation of every order and oracle. ends: when a life of Holdfast ended, in wall
    clock seconds."""
    found = []
    for name, case in cases(records, effects, requests, ends).items():
        for oracle, check in CHECKS.items():
            for told, text in check(case):
                found.append(Violation(oracle, name, told.life, text))
                break
    strange = set(effects) - {t.order for t in records}
    found += [Violation("doubled", name, 0, "an effect of an order that nobody asked for")
              for name in sorted(strange)]
    return found


def tally(records, effects, requests, ends):
    """What there was to judge, in numbers."""
    every = cases(records, effects, requests, ends).values()
    acked = [acknowledged(case) for case in every]
    return {
        "orders": len(every),
        "requests": sum(len(case.asks()) for case in every),
        "acknowledged": sum(map(len, acked)),
        "told 202": sum(t.outcome == "accepted" for case in every for t in case.asks()),
        "told 503 held": sum(t.outcome == "held" for case in every for t in case.asks()),
        "final answers": sum(t.outcome == "final" for case in every for t in case.asks()),
        "replays compared": sum(max(0, len(finals(case)) - 1) for case in every),
        "looks at calls": sum(t.what != "ask" for case in every for t in case.told),
        "unanswered requests": sum(t.status == 0 for case in every for t in case.asks()),
        "effects": sum(map(len, effects.values())),
        "upstream requests": sum(map(len, requests.values())),
        "unknown": sum(any(t.outcome == "unknown" or t.state == "unknown" for t in case.told)
                       for case in every),
    }
