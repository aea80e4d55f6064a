"""Snapshots of the cluster as rows of plain values: this member, all members, and the last switchovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Optional

from ryu_haslb.cluster.settings import MAX_NAME_LENGTH
from ryu_haslb.language.wording import printable
from ryu_haslb.show.rows import MemberRow, RedundancyRow, SwitchoverRow
from ryu_haslb.show.snapshot import Sources


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
        "rivals_seen": member.rivals_seen,
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
    present = {each.name for each in known.present(time.monotonic())}
    for each in known.all():
        yield {
            "member": each.name,
            "present": each.name in present,
            "state": each.state,
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
