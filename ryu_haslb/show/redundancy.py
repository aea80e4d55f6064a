"""``show redundancy``: this balancer in its cluster, all members, and the last switchovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Optional, TypedDict

from ryu_haslb.cluster.election import MemberState
from ryu_haslb.cluster.settings import MAX_NAME_LENGTH
from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.language.wording import printable
from ryu_haslb.show.column_types import Count, Seconds, Values
from ryu_haslb.show.report import Report, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column

#: The state of a member that cannot say that it leads no more.
FORMER_LEADER = "former_leader"
_STATES = tuple(state.value for state in MemberState)
ClusterState = Annotated[str, Values(enum=_STATES)]


class RedundancyRow(TypedDict):
    """This balancer as a member of a cluster."""

    member: Annotated[str, "Name of this balancer."]
    state: Annotated[
        ClusterState, "leader: serves the switches; isolated: serves them without a database; standby: does not."
    ]
    generation: Annotated[Count, "The newest generation that this member knows of; each leader has a newer one."]
    leader: Annotated[str, "Name of the member that leads as the database shows it; empty if none has led yet."]
    leader_since: Annotated[str, "When it began to lead, in UTC (ISO 8601)."]
    leader_reason: Annotated[str, "Why it leads, as a token such as leader_lost; empty if that is not recorded."]
    database_connected: Annotated[bool, "Whether a database server that follows the Raft leader is connected."]
    standbys: Annotated[Count, "Members that are present and stand by."]
    absent: Annotated[list[str], "Names of the members that have not changed their rows in the last 16 s."]
    rivals_seen: Annotated[Count, "Times that another member said that it led while this one did."]
    duplicate_name: Annotated[bool, "Whether another member has had the name of this one in the last 16 s."]
    gives_way: Annotated[bool, "Whether it does not lead, since another member that is there has its name."]
    configuration_revision: Annotated[Count, "Revision of the configuration in force here; 0 if there is none yet."]
    configuration_changed_by: Annotated[str, "Member that changed the configuration, and by what."]
    configuration_changed_at: Annotated[str, "When it was changed, in UTC (ISO 8601)."]
    configuration_refused: Annotated[str, "Why this member has not applied the configuration of the cluster, or empty."]


class MemberRow(TypedDict):
    """A member of the cluster, as it describes itself."""

    member: Annotated[str, "Name of the member."]
    present: Annotated[bool, "Whether it is there: it has changed its row in the last 16 s."]
    silent: Annotated[Seconds, "Time since it has changed its row, which each present member does every 5 s."]
    state: Annotated[
        str,
        Values(enum=(*_STATES, FORMER_LEADER)),
        "What it said last that it is; former_leader: that it led, while another one leads with a newer generation.",
    ]
    generation: Annotated[Count, "The generation with which it leads, or led last."]
    version: Annotated[str, "Version of its software."]
    url: Annotated[str, "Where its HTTP server listens; empty if it has none."]
    sessions: Annotated[Count, "Sessions that it has, or follows while it stands by."]
    switches: Annotated[Count, "Switches that answer it, of those that count (docs/cluster.md)."]
    lag: Annotated[Optional[Seconds], "Time by which it may be behind the switches; null if it leads, or follows none."]
    configuration_revision: Annotated[Count, "Revision of the configuration that it has in force."]
    configuration_refused: Annotated[str, "Why it has not applied the configuration of the cluster, or empty."]


class SwitchoverRow(TypedDict):
    """A switchover of the cluster: another member began to lead."""

    generation: Annotated[Count, "The generation of the new leader."]
    at: Annotated[str, "When, in UTC (ISO 8601)."]
    previous: Annotated[str, "Name of the leader before; empty for the first one."]
    member: Annotated[str, "Name of the new leader."]
    reason: Annotated[str, "Why, as a token: " + ", ".join(each.value for each in SwitchoverReason) + "."]
    duration: Annotated[
        Optional[Seconds], "From when the database gave it the lock until it served every switch; null if unknown."
    ]


def standing_by(sources: Sources) -> Optional[str]:
    """That this balancer stands by, and who leads; None if it leads, or is in no cluster."""
    member = sources.member
    if member is None or member.is_leading:
        return None
    return f"{member.name} stands by; {printable(member.leader[:MAX_NAME_LENGTH]) or 'no member'} leads"


def redundancy(sources: Sources) -> Iterator[RedundancyRow]:
    """This balancer as a member of a cluster; nothing without one."""
    member = sources.member
    if member is None:
        return
    shared = member.agreement.shared
    latest = next(iter(member.switchovers), None)
    present = member.members.present(time.monotonic())
    yield {
        "member": member.name,
        "state": member.state.value,
        "generation": member.generation,
        "leader": member.leader,
        "leader_since": member.leader_since,
        "leader_reason": latest.reason if latest is not None and latest.member == member.leader else "",
        "database_connected": member.is_connected,
        "standbys": sum(not each.is_leading for each in present),
        "absent": [each.name for each in member.members.all() if each not in present],
        "rivals_seen": member.rivals_seen,
        "duplicate_name": member.name_conflict.exists,
        "gives_way": member.name_conflict.gives_way,
        "configuration_revision": 0 if shared is None else shared.revision,
        "configuration_changed_by": "" if shared is None else shared.changed_by,
        "configuration_changed_at": "" if shared is None else shared.changed_at,
        "configuration_refused": member.agreement.refused,
    }


def members(sources: Sources) -> Iterator[MemberRow]:
    """The members of the cluster, as they describe themselves; nothing without one."""
    if sources.member is None:
        return
    known = sources.member.members
    now = time.monotonic()
    present, former = {each.name for each in known.present(now)}, sources.member.former_leaders()
    for each in known.all():
        yield {
            "member": each.name,
            "present": each.name in present,
            "silent": round(known.silent_for(each.name, now), 1),
            "state": FORMER_LEADER if each.name in former else each.state,
            "generation": each.generation,
            "version": each.version,
            "url": each.url,
            "sessions": each.sessions,
            "switches": each.switches,
            "lag": None if each.lag is None else each.lag / 1000,
            "configuration_revision": each.revision,
            "configuration_refused": each.refused,
        }


def switchovers(sources: Sources) -> Iterator[SwitchoverRow]:
    """The last switchovers of the cluster, the newest first; nothing without one."""
    for each in () if sources.member is None else sources.member.switchovers:
        yield {
            "generation": each.generation,
            "at": each.at,
            "previous": each.previous,
            "member": each.member,
            "reason": each.reason,
            "duration": None if each.duration is None else each.duration / 1000,
        }


def _redundancy(rows: Iterator[RedundancyRow]) -> Iterator[str]:
    row = next(rows, None)
    if row is None:
        yield "this balancer is in no cluster"
        return
    yield f"Member {row['member']}, state = {row['state']}, generation = {row['generation']}"
    reason = f", reason = {row['leader_reason']}" if row["leader_reason"] else ""
    yield f"  leader = {row['leader'] or 'none'}, since = {row['leader_since'] or 'never'}{reason}"
    yield f"  database connected = {'yes' if row['database_connected'] else 'no'}, standbys = {row['standbys']}"
    if row["absent"]:
        yield f"  absent: {', '.join(row['absent'])}; see show redundancy members"
    if row["duplicate_name"]:
        consequence = ", so this one does not lead" if row["gives_way"] else ""
        yield f"  another member has the name {row['member']} as well{consequence}: give one of them another HASLB_NAME"
    yield f"  configuration = {_configuration(row)}"
    if row["configuration_refused"]:
        yield f"  not applied here: {row['configuration_refused']}"


def _configuration(row: RedundancyRow) -> str:
    if not row["configuration_revision"]:
        return "none yet"
    changed = f"{row['configuration_changed_by']}, {row['configuration_changed_at']}"
    return f"revision {row['configuration_revision']} ({changed})"


REDUNDANCY = Report(redundancy, _redundancy)
MEMBERS = Report(
    members,
    as_table(
        Column("member", "member", 16),
        Column("present", "present", 9),
        Column("silent", "silent", 8),
        Column("state", "state", 15),
        Column("version", "version", 9),
        Column("sessions", "sessions", 10),
        Column("switches", "switches", 10),
        Column("lag", "lag", 8),
        Column("configuration_revision", "revision", 10),
        Column("url", "http", 22),
    ),
)
SWITCHOVERS = Report(
    switchovers,
    as_table(
        Column("generation", "generation", 12),
        Column("at", "at", 22),
        Column("previous", "from", 16),
        Column("member", "to", 16),
        Column("reason", "reason", 23),
        Column("duration", "duration", 10),
    ),
)
