"""Trials of what a controller asks for: bundles, meters, roles, the flow monitor, features. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Optional, Union

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.wire import features, wire
from ryu_haslb.openflow.wire.description import description_request, read_description
from ryu_haslb.openflow.wire.flow_mod import FlowMod, bundle, meter, meter_mod
from ryu_haslb.openflow.wire.flow_monitor import (
    ONFFMF_ACTIONS,
    ONFFMF_ADD,
    ONFFMF_DELETE,
    ONFFMF_INITIAL,
    ONFFMF_MODIFY,
    flow_monitor_cancel,
    flow_monitor_request,
    flow_updates,
    is_flow_monitor_reply,
)
from ryu_haslb.openflow.wire.multipart import has_more
from ryu_haslb.openflow.wire.role import (
    QUESTION_GENERATION,
    UNDEFINED_GENERATION,
    ControllerRole,
    RoleReply,
    read_role_reply,
    role_request,
)
from ryu_haslb.switch_test.bench import TEST_MARK, TEST_SOURCES, TO_CONTROLLER, UDP_FIELDS, Bench, datagram, rule
from ryu_haslb.switch_test.exchange import Exchange, Message, Script
from ryu_haslb.switch_test.rule_trials import numbered_rule, present_by_source
from ryu_haslb.switch_test.trial import WORKS, Outcome, Result, ignored, install, multipart, rejected, remove

#: The numbers of meters that are tried: others may have meters with the first ones.
METER_NUMBERS = range(TEST_MARK, TEST_MARK + 4)
#: Packets that are sent through a meter of one packet a second.
_METERED_PACKETS = 40
#: Seconds in which they arrive.
_METERED_TIMEOUT = 1.5
#: The rate and burst that a meter is set to then. Groups of packets are sent as soon as it has filled again, of which
#: most must pass: CPqD's meters fill once a second.
_RATE, _BURST, _FILLING_TIME = 200, 20, 0.15
_GROUPS, _MIN_PASSED = 4, 48
_METER_EXISTS = (12, 1)
_REPLY_TIMEOUT = 3.0
_MONITOR = TEST_MARK
_MONITORED = ONFFMF_INITIAL | ONFFMF_ADD | ONFFMF_DELETE | ONFFMF_MODIFY | ONFFMF_ACTIONS
_FEATURES_TIMEOUT = 10.0


def bundles(bench: Bench) -> Script[Outcome]:
    """A bundle is carried out; one that fails when it is committed changes nothing.

    It fails because of a rule that overlaps with another one and must not (OFPFF_CHECK_OVERLAP).
    """
    good = [numbered_rule(bench, number) for number in range(2)]
    error, found = yield from _bundled(bench, good, [])
    if error is not None:
        return rejected(error)
    if {each.cookie for each in good} - found:
        return ignored("the rules of a bundle are not installed")
    wrong = rule(bench.cookie(), {"eth_src": TEST_SOURCES}, flags=wire.OFPFF_CHECK_OVERLAP)
    error, left = yield from _bundled(bench, [numbered_rule(bench, 0)], [wrong])
    if error is None:
        return Outcome(Result.WORKS, "not seen whether all or none: overlapping rules are not rejected")
    return ignored("a rejected bundle leaves rules behind") if left else Outcome(Result.WORKS, "all or none")


def _bundled(
    bench: Bench, good: Sequence[FlowMod], wrong: Sequence[FlowMod]
) -> Script[tuple[Optional[wire.Error], set[int]]]:
    """Send rules in a bundle; the error, and the cookies of the good ones that are in the tables then."""
    rules = [*good, *wrong]
    answer = yield Exchange(lambda xid: [bundle(xid, xid, [each.pack(xid) for each in rules])])
    found: set[int] = set()
    if answer.error is None or wrong:
        found = yield from present_by_source(bench, good)
    yield from remove(rules)
    return answer.error, found


def meters(bench: Bench) -> Script[Outcome]:
    """A meter drops most of many packets, and passes its rate as soon as that was changed.

    They come in at a port if they can, as all packets that the balancer meters: the userspace datapath of Open vSwitch
    2.15.0 crashes when a meter drops a packet-out.
    """
    number, error = yield from _add_meter(bench)
    if error is not None:
        return rejected(error)
    entry = rule(bench.cookie(), {}, meter(number) + TO_CONTROLLER)
    outcome = yield from install([entry])
    if outcome is None and not bench.can_enter_tables:
        outcome = Outcome(Result.ACCEPTED, "accepted; not tried, since no packet can be sent through the tables")
    if outcome is None:
        outcome = yield from _try_meter(bench, number)
    yield from remove([entry])
    yield Exchange(lambda xid: [meter_mod(xid, wire.OFPMC_DELETE, number)])
    bench.meters.remove(number)
    return outcome


def _try_meter(bench: Bench, number: int) -> Script[Outcome]:
    # The bucket of a new meter is empty in Open vSwitch 2.15, and fills meanwhile.
    arrived = (yield from _send_metered(bench)) or (yield from _send_metered(bench))
    if not arrived:
        return ignored("a meter passes no packet")
    if arrived == _METERED_PACKETS:
        return ignored(f"a meter of 1 packet/s has passed all {arrived} packets")
    changed = yield Exchange(lambda xid: [meter_mod(xid, wire.OFPMC_MODIFY, number, _RATE, _BURST)])
    if changed.error is not None:
        return rejected(changed.error)
    passed = yield from _send_in_groups(bench)
    if passed < _MIN_PASSED:
        return ignored(f"of {_GROUPS * _BURST} packets at the rate of a meter, {passed} passed")
    return Outcome(Result.WORKS, f"of {_METERED_PACKETS} packets at 1 packet/s, {arrived} passed")


def _send_in_groups(bench: Bench) -> Script[int]:
    """Send packets no faster than the meter fills; the number of those that it passes."""
    label, passed = bench.label(), 0
    for number in range(1, _GROUPS + 1):
        yield Exchange(wanted=lambda _: False, wait=_FILLING_TIME)
        answer = yield Exchange(
            lambda xid: [bench.come_in(datagram(label), xid)] * _BURST,
            lambda each: each.kind == wire.OFPT_PACKET_IN and label in each.data,
            lambda found: len(found) >= _BURST,
            wait=_METERED_TIMEOUT if number == _GROUPS else _FILLING_TIME,
        )
        passed += len(answer.found)
    return passed


def _send_metered(bench: Bench) -> Script[int]:
    """Send packets faster than the meter lets pass, and wait for those that it passes; their number."""
    label = bench.label()
    answer = yield Exchange(
        lambda xid: [bench.come_in(datagram(label), xid)] * _METERED_PACKETS,
        lambda each: each.kind == wire.OFPT_PACKET_IN and label in each.data,
        lambda found: len(found) >= _METERED_PACKETS,
        wait=_METERED_TIMEOUT,
    )
    return len(answer.found)


def _add_meter(bench: Bench) -> Script[tuple[int, Optional[wire.Error]]]:
    """Add a meter under a number that others do not use."""
    error: Optional[wire.Error] = None
    for number in METER_NUMBERS:
        bench.meters.append(number)  # before: it may be there although the switch never says so
        answer = yield Exchange(lambda xid, number=number: [meter_mod(xid, wire.OFPMC_ADD, number, 1, 1)])  # type: ignore[misc]
        error = answer.error
        if error is None:
            return number, None
        bench.meters.remove(number)
        if (error.type, error.code) != _METER_EXISTS:
            break
    return 0, error


def roles(bench: Bench) -> Script[Outcome]:
    """A SLAVE may not install rules, and an older generation is rejected (OFPRRFC_STALE).

    MASTER is not asked for: it would take that role from another controller.
    """
    now = yield from _ask_role(ControllerRole.NOCHANGE, QUESTION_GENERATION)
    if isinstance(now, Outcome):
        return now
    if now.generation == QUESTION_GENERATION:
        return ignored("a role reply repeats the generation of the request, and does not say the switch's own")
    generation = 0 if now.generation == UNDEFINED_GENERATION else now.generation
    slave = yield from _ask_role(ControllerRole.SLAVE, generation)
    if isinstance(slave, Outcome):
        return slave
    older = yield from _ask_role(ControllerRole.SLAVE, (generation - 1) % (1 << 64))
    yield from _ask_role(ControllerRole.SLAVE, generation)
    entry = rule(bench.cookie(), {})
    attempt = yield from install([entry])
    equal = yield from _ask_role(ControllerRole.EQUAL, 0)
    yield from remove([entry])
    if isinstance(equal, Outcome):
        return equal
    faults = {
        "a controller that asks for SLAVE gets another role": slave.role != ControllerRole.SLAVE,
        "a SLAVE may install rules": attempt is None,
        "a request with an older generation is accepted": not isinstance(older, Outcome),
    }
    return next((ignored(fault) for fault, is_there in faults.items() if is_there), WORKS)


def _ask_role(role: ControllerRole, generation: int) -> Script[Union[RoleReply, Outcome]]:
    answer = yield Exchange(
        lambda xid: [role_request(xid, role, generation)],
        lambda each: each.kind == wire.OFPT_ROLE_REPLY,
        wait=_REPLY_TIMEOUT,
    )
    if answer.error is not None:
        return rejected(answer.error)
    return read_role_reply(answer.found[0].data) if answer.found else ignored(f"no reply to a request for {role.name}")


def flow_monitor(bench: Bench) -> Script[Outcome]:
    """A monitor shows the rule that is there, and one that is added."""
    table = Table.SESSIONS.value if bench.identity.tables > Table.SESSIONS else 0
    before, added = rule(bench.cookie(), {}, table=table), rule(bench.cookie(), UDP_FIELDS, table=table)
    failure = yield from install([before])
    if failure is not None:
        return failure
    opened = yield Exchange(
        lambda xid: [flow_monitor_request(xid, _MONITOR, table, _MONITORED)],
        lambda each: _is_monitor_reply(each) and each.xid != 0,
        lambda found: not has_more(found[-1].data),
        wait=_REPLY_TIMEOUT,
    )
    if opened.error is not None or not opened.found:
        yield from remove([before])
        return rejected(opened.error) if opened.error is not None else ignored("no reply to the request for a monitor")
    shown = {update.rule.cookie for each in opened.found for update in flow_updates(each.data)}
    changed = yield Exchange(lambda xid: [added.pack(xid)], _is_monitor_reply, wait=_REPLY_TIMEOUT)
    yield Exchange(lambda xid: [flow_monitor_cancel(xid, _MONITOR)])
    yield from remove([before, added])
    if before.cookie not in shown:
        return ignored("the monitor does not show the rules that are there")
    return WORKS if changed.found else ignored("the monitor does not show that a rule was added")


def _is_monitor_reply(message: Message) -> bool:
    return message.kind == wire.OFPT_MULTIPART_REPLY and is_flow_monitor_reply(message.data)


def describe(bench: Bench) -> Script[None]:
    """Ask who made the switch."""
    try:
        parts = yield from multipart(description_request, _FEATURES_TIMEOUT)
        bench.description = read_description(parts[0])
    except wire.MalformedMessage:
        return


def _features_trial(kind: int, read: Callable[[list[bytes]], str]) -> Callable[[Bench], Script[Outcome]]:
    """The trial of a request for features; ``read`` says what is in the parts of the reply."""

    def trial(_: Bench) -> Script[Outcome]:
        answer = yield Exchange(
            lambda xid: [features.features_request(xid, kind)],
            lambda each: each.kind == wire.OFPT_MULTIPART_REPLY and each.xid != 0,
            lambda found: not has_more(found[-1].data),
            wait=_FEATURES_TIMEOUT,
            limit=2 * _FEATURES_TIMEOUT,
        )
        if answer.error is not None:
            return rejected(answer.error)
        parts = [each.data for each in answer.found]
        if not parts or has_more(parts[-1]):
            return ignored("no complete reply")
        return Outcome(Result.WORKS, read(parts))

    return trial


def _tables(parts: list[bytes]) -> str:
    tables = [table for part in parts for table in features.table_features(part)]
    sizes = ", ".join(f"{each.max_entries:,}" for each in tables[:2])
    return f"{len(tables)} tables; rules of tables 0 and 1 at most: {sizes}" if tables else "no tables"


table_features = _features_trial(features.OFPMP_TABLE_FEATURES, _tables)
meter_features = _features_trial(
    features.OFPMP_METER_FEATURES, lambda parts: f"{features.max_meters(parts[0]):,} meters at most"
)
group_features = _features_trial(
    features.OFPMP_GROUP_FEATURES, lambda parts: f"{features.max_groups(parts[0]):,} groups at most"
)
