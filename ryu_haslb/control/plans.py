"""What a change of the configuration means for the sessions, counted before anything happens."""

from __future__ import annotations

import hmac
import os
from collections import Counter
from collections.abc import Iterator
from typing import Optional

from ryu_haslb.configuration.model import Configuration, Drain
from ryu_haslb.configuration.model import VirtualServer as VirtualServerConfiguration
from ryu_haslb.errors import HaslbError
from ryu_haslb.show.redundancy import standing_by
from ryu_haslb.show.sources import Sources
from ryu_haslb.slb.farm import ServerFarm
from ryu_haslb.slb.real import RealServer, key_of
from ryu_haslb.slb.virtual_server import VirtualServer

#: What happens to one session, and to several.
_END = (" ends", " end")
_STAY = (" stays until it ends", " stay until they end")
_MOVE = (" moves with its next request", " move with their next request")
_MOVE_THERE = (" moves there with its next request", " move there with their next request")
#: Sessions that are counted before other green threads have their turn.
_SESSIONS_PER_STEP = 1000
#: Makes identifiers of plans, which would otherwise be hashes of passwords and keys.
_SECRET = os.urandom(16)
#: Digits of an identifier.
_MAX_DIGITS = 12


class PlanChangedError(HaslbError):
    """The change differs from the plan that the operator has seen."""

    def __init__(self) -> None:
        super().__init__(
            "the file or the configuration in force has changed since this plan was made, or the plan is of another "
            "run of the balancer; see the new plan with --dry-run\nnothing was changed"
        )


def identifier_of(digest: bytes) -> str:
    """The identifier of the plan whose texts have this digest."""
    return hmac.digest(_SECRET, digest, "sha256").hex()[:_MAX_DIGITS]


def consequences(sources: Sources, after: Configuration) -> Iterator[Optional[str]]:
    """A sentence for each virtual server and real server whose sessions end or move; None is a pause.

    A member of a cluster that stands by has no sessions to count.
    """
    text = standing_by(sources)
    if text is not None:
        yield f"{text}: the sessions that end or move are not counted here"
        return
    endings = {
        server: _ending(server, after, sources.balancer.sessions.count_of(server))
        for server in sources.balancer.virtual_servers.values()
    }
    moving = _moving(sources, [server for server, ending in endings.items() if ending is None], after)
    yield from filter(None, endings.values())
    yield from moving
    for farm in list(sources.balancer.farms.values()):
        yield from _emptying(farm, after)
        yield None


def ends(before: VirtualServerConfiguration, after: Configuration) -> bool:
    """Whether all sessions of this virtual server end: it is removed, or has another address."""
    kept = after.virtual_servers.get(before.name)
    return kept is None or kept.address != before.address


def _ending(server: VirtualServer, after: Configuration, count: int) -> Optional[str]:
    """What happens to all sessions of a virtual server; empty if it has none, None if it depends on the session."""
    kept = after.virtual_servers.get(server.name)
    if kept is None:
        reason, effect = "is removed", _sessions(count, _END)
    elif ends(server.configuration, after):
        reason, effect = "gets another address", _sessions(count, _END)
    elif server.configuration.in_service and not kept.in_service:
        reason, effect = "goes out of service", f"requests of its {_sessions(count)} are no longer balanced"
    elif kept.farm != server.farm.name:
        reason, effect = f"gets farm {kept.farm}", _sessions(count, _MOVE_THERE)
    else:
        return None
    return f"virtual server {server.name} {reason}: {effect}" if count else ""


def _moving(sources: Sources, servers: list[VirtualServer], after: Configuration) -> Iterator[Optional[str]]:
    """The sessions whose real server leaves the farm. They are looked through only if there are such."""
    kept = {server: set(map(key_of, after.farms[server.farm.name].reals)) for server in servers}
    leaving = {
        (server, real)
        for server in servers
        for real in server.farm.reals
        if real.sessions and real.key not in kept[server]
    }
    return _counted(sources, leaving) if leaving else iter(())


def _counted(sources: Sources, leaving: set[tuple[VirtualServer, RealServer]]) -> Iterator[Optional[str]]:
    counts: Counter[tuple[VirtualServer, RealServer]] = Counter()
    for sessions in sources.balancer.sessions.slices(_SESSIONS_PER_STEP):
        counts.update(filter(leaving.__contains__, ((each.virtual_server, each.real) for each in sessions)))
        yield None
    for (server, real), count in sorted(counts.items(), key=lambda each: (each[0][0].name, each[0][1].name)):
        moving = _sessions(count, _MOVE, f" of virtual server {server.name}")
        yield f"real server {real.name} of farm {real.farm_name} is removed: {moving}"


def _emptying(farm: ServerFarm, after: Configuration) -> Iterator[str]:
    """What happens to the sessions of real servers that stay in the farm and get no new ones from now on."""
    kept = after.farms.get(farm.name)
    reals = {key_of(each): each for each in kept.reals} if kept else {}
    for real in farm.reals:
        wanted = reals.get(real.key)
        if wanted is None or not real.sessions:
            continue
        if wanted.drain not in (None, real.configuration.drain):
            effect = _sessions(real.sessions, _MOVE if wanted.drain is Drain.MOVE else _STAY)
            yield f"real server {real.name} of farm {farm.name} is drained: {effect}"
        elif real.configuration.in_service and not wanted.in_service:
            effect = _sessions(real.sessions, _STAY)
            yield f"real server {real.name} of farm {farm.name} goes out of service: {effect}"


def _sessions(count: int, happening: tuple[str, str] = ("", ""), of: str = "") -> str:
    """So many sessions, of something, and what happens to one and to several of them."""
    one, several = happening
    return f"1 session{of}{one}" if count == 1 else f"{count} sessions{of}{several}"
