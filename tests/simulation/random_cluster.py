"""Clusters of a random shape, and what goes wrong with them: a seed makes one of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from simulation.faults import Fault
from simulation.parameters import Parameters
from simulation.random_history import later, random_history

#: Seconds between two members that are restarted in turn.
_TURN = (4.0, 15.0)
#: From this seed on there are disasters; the worlds of the seeds before stay what they have always been.
FIRST_DISASTER_SEED = 30
#: Seconds after which what has failed in one moment is back, about.
_OUTAGES = (0.5, 3.0, 10.0, 30.0)

#: A fault without its time: kind and arguments.
What = tuple[str, tuple[object, ...]]
Maker = Callable[[Parameters, float, Random], list[Fault]]


def random_cluster(parameters: Parameters, random: Random) -> Parameters:
    """The same world with a cluster of balancers."""
    return replace(
        parameters,
        is_cluster=True,
        controllers=random.choice((2, 2, 3)),
        switches=random.choice((1, 2, 2)),
        flow_monitor=random.random() < 0.8,
        dfp=Random(f"{parameters.seed} dfp").random() < 0.4,
        stay=random.choice((0.0, 60.0, 300.0)),
    )


def random_cluster_history(parameters: Parameters, seconds: float, random: Random) -> list[Fault]:
    """Faults of the cluster within a time; in some worlds others beside them."""
    history = []
    if random.random() < 0.4:
        alone = replace(parameters, is_cluster=False)
        others = random_history(alone, seconds, random)
        history += [fault for fault in others if not fault.kind.startswith(("control", "stranger at"))]
    hours = max(1.0, seconds / 3600.0)
    for _ in range(int(random.randint(1, 12) * hours)):
        at = round(random.uniform(5.0, max(6.0, seconds - 90.0)), 3)
        for _ in range(random.choice((1, 1, 2, 3))):
            history += random.choice(_MAKERS)(parameters, at, random)
            at = round(at + random.choice((0.0, 0.01, 0.3, 2.0, 20.0)) * random.uniform(0.5, 1.5), 3)
    if parameters.seed >= FIRST_DISASTER_SEED:
        history += _disaster(parameters, seconds, Random(f"{parameters.seed} disaster"))
    return sorted(history)


def _disaster(parameters: Parameters, seconds: float, random: Random) -> list[Fault]:
    """In every second world much fails in one moment: all members or one, and the Raft leader, all servers or none."""
    if random.random() < 0.5:
        return []
    at = round(random.uniform(5.0, max(6.0, seconds - 90.0)), 3)
    back, servers_back = (round(at + random.choice(_OUTAGES) * random.uniform(0.5, 1.5), 3) for _ in range(2))
    kind, end = random.choice((("controller is killed", "controller starts"), ("member hangs", "member wakes")))
    history = []
    for number in random.choice((range(parameters.controllers), [random.randrange(parameters.controllers)])):
        history += [Fault(at, kind, (number,)), Fault(back, end, (number,))]
    servers = random.choice(((), (0, 1, 2), None))
    failures = [Fault(at, "Raft leader fails")] if servers is None else []
    failures += [Fault(at, "database server fails", (number,)) for number in servers or ()]
    returns = [Fault(servers_back, "database server returns", (number,)) for number in range(3 if failures else 0)]
    return [*history, *failures, *returns]


def _pair(at: float, random: Random, first: What, second: What) -> list[Fault]:
    """A fault, and its end."""
    return [Fault(at, *first), Fault(later(at, random), *second)]


def _end(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    how = random.choice(("controller is killed", "controller is stopped"))
    number = (random.randrange(parameters.controllers),)
    return _pair(at, random, (how, number), ("controller starts", number))


def _hang(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.controllers)
    wakes = "member wakes", (number, random.random() < 0.5)
    return _pair(at, random, ("member hangs", (number,)), wakes)


def _hand_over(parameters: Parameters, at: float, _: Random) -> list[Fault]:
    return [Fault(at, "member hands over", (number,)) for number in range(parameters.controllers)]


def _cut_from_switches(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """A member loses one switch, or all."""
    number = random.randrange(parameters.controllers)
    how = random.choice(("control connection stalls", "control connection stalls", "control connection breaks"))
    switches = random.choice((range(parameters.switches), [random.randrange(parameters.switches)]))
    back = later(at, random)
    history = []
    for switch in switches:
        history += [Fault(at, how, (number, switch)), Fault(back, "control connection mends", (number, switch))]
    return history


def _cut_from_database(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    number = random.randrange(parameters.controllers)
    servers = random.choice(((0, 1, 2), (0, 1, 2), (0, 1), (random.randrange(3),)))
    return _pair(
        at, random, ("member is cut from the database", (number, servers)), ("member reaches the database", (number,))
    )


def _isolate(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """A member loses everything at once, and has it back at once."""
    number = random.randrange(parameters.controllers)
    back = later(at, random)
    history = [
        Fault(at, "member is cut from the database", (number, (0, 1, 2))),
        Fault(back, "member reaches the database", (number,)),
    ]
    for switch in range(parameters.switches):
        history.append(Fault(at, "control connection stalls", (number, switch)))
        history.append(Fault(back, "control connection mends", (number, switch)))
    return history


def _part_servers(_: Parameters, at: float, random: Random) -> list[Fault]:
    groups = random.choice(((0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 1, 2)))
    what = "database servers are parted"
    return _pair(at, random, (what, (groups,)), (what, ((0, 0, 0),)))


def _fail_servers(_: Parameters, at: float, random: Random) -> list[Fault]:
    back = later(at, random)
    returns = [Fault(back, "database server returns", (number,)) for number in range(3)]
    if random.random() < 0.5:
        return [Fault(at, "Raft leader fails"), *returns]
    numbers = random.choice(((0,), (1,), (2,), (0, 1), (0, 1, 2)))
    return [*(Fault(at, "database server fails", (number,)) for number in numbers), *returns]


def _disturb_commits(_: Parameters, at: float, random: Random) -> list[Fault]:
    kind = random.choice(("database is made anew", "commits fail", "replies to commits are lost"))
    return [Fault(at, kind, () if kind == "database is made anew" else (random.choice((1.0, 5.0, 20.0)),))]


def _configure(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """An operator changes the configuration at one member, and back at another."""
    if random.random() < 0.3:
        number, drain = random.randrange(parameters.home_agents), "home agent is drained"
        return _pair(at, random, (drain, (number, random.choice(("stay", "move")))), (drain, (number, None)))
    weights = tuple(random.choice((1, 2, 4, 8)) for _ in range(parameters.home_agents))
    out = frozenset({random.randrange(parameters.home_agents)} if random.random() < 0.4 else ())
    return _pair(at, random, ("configuration", (weights, out)), ("configuration", (weights, frozenset())))


def _restart_in_turn(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """An upgrade: each member is stopped and started again, one after the other."""
    history = []
    for number in range(parameters.controllers):
        history.append(Fault(at, "controller is stopped", (number,)))
        at = round(at + random.uniform(*_TURN), 3)
        history.append(Fault(at, "controller starts", (number,)))
        at = round(at + random.uniform(*_TURN), 3)
    return history


def _restart_switch(parameters: Parameters, at: float, random: Random) -> list[Fault]:
    """A switch restarts, in some cases while no member runs."""
    restart = Fault(round(at + 1.0, 3), "switch restarts", (random.randrange(parameters.switches),))
    if random.random() < 0.5:
        return [restart]
    back = round(at + random.choice((2.0, 20.0)), 3)
    ends = [Fault(at, "controller is killed", (number,)) for number in range(parameters.controllers)]
    return [*ends, restart, *(Fault(back, "controller starts", (number,)) for number in range(parameters.controllers))]


_MAKERS: tuple[Maker, ...] = (
    _end,
    _end,
    _hang,
    _hang,
    _hand_over,
    _cut_from_switches,
    _cut_from_database,
    _isolate,
    _part_servers,
    _fail_servers,
    _disturb_commits,
    _configure,
    _restart_in_turn,
    _restart_switch,
)
