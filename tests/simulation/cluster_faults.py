"""What happens to a cluster: its members fail, hang and are cut off, and its database loses servers and replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulation.world import World


def _note(world: World) -> None:
    """Another fault begins or ends."""
    world.disturb()
    world.faulted_at = world.clock.now


def _hang(world: World, number: int) -> None:
    world.disturb()
    world.members[number].hang()


def _wake(world: World, number: int, timers_first: bool = False) -> None:
    world.disturb()
    world.members[number].wake(timers_first)


def _hand_over(world: World, number: int) -> None:
    """An operator has a member resign; one that does not lead refuses."""
    world.disturb()
    world.members[number].resign()


def _stall(world: World, number: int, switch: int) -> None:
    """What a member and a switch send to each other waits, without a sign to either."""
    world.disturb()
    world.members[number].stall(world.switches[switch])


def _cut_from_database(world: World, number: int, servers: Sequence[int]) -> None:
    world.disturb()
    world.database.cuts |= {(world.members[number].name, server) for server in servers}


def _join_database(world: World, number: int) -> None:
    world.disturb()
    world.database.cuts = {each for each in world.database.cuts if each[0] != world.members[number].name}


def _fail_server(world: World, number: int) -> None:
    world.disturb()
    world.database.set_up(world.database.servers[number], False)


def _fail_raft_leader(world: World) -> None:
    world.disturb()
    if world.database.leader is not None:
        world.database.set_up(world.database.leader, False)


def _return_server(world: World, number: int) -> None:
    world.disturb()
    world.database.set_up(world.database.servers[number], True)


def _part_servers(world: World, groups: Sequence[int]) -> None:
    """Cut the database's servers from each other; those with the same number reach each other."""
    world.disturb()
    world.database.partition(groups)


def _make_anew(world: World) -> None:
    """The database's files are lost, and made anew."""
    world.disturb()
    world.database.make_anew()
    world.texts.accepted = None


def _fail_commits(world: World, seconds: float) -> None:
    world.disturb()
    world.database.failing_until = world.clock.now + seconds
    world.clock.after(seconds, _note, world)


def _lose_replies(world: World, seconds: float) -> None:
    """Commits succeed, and the connection breaks before the reply."""
    world.disturb()
    world.database.losing_until = world.clock.now + seconds
    world.clock.after(seconds, _note, world)


def mend(world: World) -> None:
    """Everything that these faults have broken is whole again."""
    _note(world)
    world.database.cuts.clear()
    world.database.partition((0, 0, 0))
    for server in world.database.servers:
        world.database.set_up(server, True)
    for member in world.members:
        member.wake(timers_first=True)
        for switch in world.switches:
            member.mend(switch)


#: What each kind of fault does. Members are killed, stopped and started as other controllers are.
CLUSTER_FAULTS: dict[str, Callable[..., None]] = {
    "member hangs": _hang,
    "member wakes": _wake,
    "member hands over": _hand_over,
    "control connection stalls": _stall,
    "member is cut from the database": _cut_from_database,
    "member reaches the database": _join_database,
    "database server fails": _fail_server,
    "Raft leader fails": _fail_raft_leader,
    "database server returns": _return_server,
    "database servers are parted": _part_servers,
    "database is made anew": _make_anew,
    "commits fail": _fail_commits,
    "replies to commits are lost": _lose_replies,
}
