"""The trial of barriers: how long behind a barrier reply a rule acts, and one that is gone still does. Pure.

A switch must have carried out what precedes a barrier before it replies (OpenFlow 1.3.5, section 7.3.8). Hardware often
replies when its software has the rule, and its data plane gets it later. Two rules match the packets of the trial. The
upper one is added and deleted in turn, and packets show which of the two acts::

    add the upper rule     -> barrier reply -> packets every few milliseconds, until the upper one sends one
    delete the upper rule  -> barrier reply -> packets, until the lower one sends one

Later trials wait so long behind each change of rules.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod
from ryu_haslb.switch_test.bench import PRIORITY, Bench, datagram, rule
from ryu_haslb.switch_test.exchange import Exchange, Script
from ryu_haslb.switch_test.trial import Outcome, Result, has_cookie, ignored, install, remove

#: How often the upper rule is added and deleted.
ROUNDS = 5
#: Seconds between two packets.
PACKET_INTERVAL = 0.01
#: Seconds that a rule may take to act, or the switch cannot be tested.
MAX_LAG = 5.0
#: Seconds behind which it is a lack: a mobile may have sent its next request (RFC 5944, section 3.6.3).
MAX_HARMLESS_LAG = 1.0


def barriers(bench: Bench) -> Script[Outcome]:
    """Rules act when their barrier is answered, or soon."""
    if not bench.can_enter_tables:
        return Outcome(Result.NOT_TRIED, "no packet can be sent through the tables: needs output to TABLE, or --ports")
    lower, upper = rule(bench.cookie(), {}, priority=PRIORITY - 1), rule(bench.cookie(), {})
    lags: list[Optional[float]] = []
    failure = yield from install([lower])
    if failure is None:
        lags.append((yield from _lag(bench, lower)))
    for _ in range(ROUNDS):
        if failure is not None or None in lags:
            break
        failure = yield from install([upper])
        lags.append((yield from _lag(bench, upper)))
        yield from remove([upper])
        lags.append((yield from _lag(bench, lower)))
    yield from remove([upper, lower])
    if failure is not None:
        return failure
    measured = [each for each in lags if each is not None]
    if len(measured) < len(lags):
        return ignored(f"a rule does not act within {MAX_LAG:g} s of the barrier reply")
    bench.lag = max(measured)
    if not bench.lag:
        return Outcome(Result.WORKS, "the first packet behind the barrier reply meets the rule")
    seen = f"rules act up to {bench.lag * 1000:.0f} ms behind the barrier reply"
    return ignored(seen) if bench.lag >= MAX_HARMLESS_LAG else Outcome(Result.WORKS, seen)


def _lag(bench: Bench, acting: FlowMod) -> Script[Optional[float]]:
    """Seconds until a packet is sent that a rule sends to the controller; None if there is none in time.

    The packet-in may arrive when further packets were sent.
    """
    sent_at: dict[bytes, float] = {}
    spent = 0.0
    while spent < MAX_LAG:
        label = bench.label()
        sent_at[label] = spent
        answer = yield Exchange(
            lambda xid, label=label: [bench.enter(datagram(label), xid)],  # type: ignore[misc]
            lambda each: each.kind == wire.OFPT_PACKET_IN and has_cookie(each, acting.cookie),
            wait=PACKET_INTERVAL,
        )
        arrived = [at for each in answer.found for label, at in sent_at.items() if label in each.data]
        if arrived:
            return min(arrived)
        spent += answer.took
    return None
