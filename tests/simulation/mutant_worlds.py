"""Small worlds in which much goes wrong, one thing after the other: mutants of the product show there soon."""

from __future__ import annotations

from dataclasses import replace

from simulation.faults import Fault
from simulation.parameters import Parameters

_MOBILES = Parameters(
    mobiles=60, home_agents=3, pdsns=2, refresh=15.0, idle=60, lifetime=600, arrivals=20.0, stay=120.0
)
_ARRIVING = replace(_MOBILES, weights=(1, 2, 4), refresh=0.0, idle=10, arrivals=300.0, mobiles=100)

#: What happens to home agents, rules and balancers.
_MUCH = [
    Fault(60.0, "home agent dies", (0,)),
    Fault(200.0, "home agent returns", (0, True)),
    Fault(260.0, "link", (2, False)),
    Fault(330.0, "link", (2, True)),
    Fault(420.0, "home agent hangs", (1,)),
    Fault(560.0, "home agent returns", (1, False)),
    Fault(620.0, "real server is removed", (0, True)),
    Fault(700.0, "real server is removed", (0, False)),
    Fault(720.0, "home agent is drained", (1, "move")),
    Fault(800.0, "home agent is drained", (1, None)),
    Fault(820.0, "spoofed storm", (4, 60.0, (65, 50), 3)),
    Fault(940.0, "address is claimed", (4, 1)),
    Fault(960.0, "flows are deleted", ("session rules", 0)),
    Fault(1000.0, "garbage", (4, 20, 3)),
    Fault(1040.0, "controller is stopped"),
    Fault(1043.0, "controller starts"),
    Fault(1100.0, "controller is killed"),
    Fault(1101.0, "controller starts"),
    Fault(1150.0, "orphaned rules", (7, 0, 0)),
]
#: Home agents fall silent one after the other, and phones give up with their last retransmission.
_SILENCE = [
    Fault(100.0, "home agent hangs", (1,)),
    Fault(150.0, "home agent hangs", (0,)),
    Fault(300.0, "home agent returns", (0, False)),
    Fault(500.0, "home agent returns", (1, False)),
]
#: Forged requests that home agents discard, and one that answers every third request.
_FORGERY = [
    Fault(100.0, "forged storm", (3, 300.0, (65, 3), 5)),
    Fault(410.0, "home agent answers seldom", (0, 3)),
    Fault(700.0, "home agent answers seldom", (0, 1)),
]
#: A home agent does not know some mobiles. Others hang for a while.
_IGNORANCE = [
    Fault(100.0, "home agent ignores mobiles", (0, 5)),
    Fault(200.0, "home agent hangs", (1,)),
    Fault(380.0, "home agent returns", (1, False)),
    Fault(400.0, "home agent ignores mobiles", (0, 0)),
]
#: A home agent is replaced, weights change, another application adds rules, and the balancer is retired.
_CHANGES = [
    Fault(60.0, "rules of others are added", (0,)),
    Fault(100.0, "home agent gets another Ethernet address", (0,)),
    Fault(180.0, "configuration", ((1, 2, 4), frozenset())),
    Fault(240.0, "spoofed requests", (4, 40, 7)),
    Fault(300.0, "controller is retired"),
    Fault(340.0, "controller starts"),
]
#: Of two balancers the first loses the switch, the second serves it, moves sessions, and stops in order, and the first
#: comes back. Had it waited meanwhile, it would have forgotten its sessions.
_TURNS = [
    Fault(60.0, "control connection breaks", (0, 0)),
    Fault(80.0, "home agent hangs", (0,)),
    Fault(120.0, "home agent returns", (0, False)),
    Fault(140.0, "controller is stopped", (1,)),
    Fault(145.0, "control connection mends", (0, 0)),
]
#: In a cluster.
_LEADERS = [
    Fault(60.0, "member hangs", (0,)),
    Fault(80.0, "member wakes", (0, True)),
    Fault(140.0, "controller is killed", (1,)),
    Fault(180.0, "controller starts", (1,)),
]

#: Parameters, history, and seconds.
WORLDS: list[tuple[Parameters, list[Fault], float]] = [
    (_MOBILES, _MUCH, 1200.0),
    (
        replace(_ARRIVING, dfp=True, dfp_timeout=10, numconns=4, reassign=1, stay=20.0),
        [Fault(100.0, "DFP agent", (0, False)), Fault(200.0, "home agent hangs", (1,))],
        400.0,
    ),
    (replace(_ARRIVING, stay=0.0), [Fault(100.0, "power cycle", (0,))], 400.0),
    (replace(_MOBILES, home_agents=2, pdsns=1, numconns=4, reassign=1, switches=2), _SILENCE, 700.0),
    (replace(_MOBILES, controllers=3, is_cluster=True, switches=2), _LEADERS, 300.0),
    (
        replace(_MOBILES, denies=False, home_agents=2, mobiles=12, stay=0.0, numconns=4, reassign=1),
        _FORGERY,
        800.0,
    ),
    (replace(_MOBILES, reassign=2, numconns=8, stay=0.0), _IGNORANCE, 450.0),
    (  # mobiles renew at a home agent that has failed, and is back
        replace(_ARRIVING, lifetime=200, stay=0.0, retry=0, numconns=4, arrivals=90.0),
        [Fault(50.0, "home agent hangs", (2,)), Fault(150.0, "home agent returns", (2, False))],
        400.0,
    ),
    (replace(_MOBILES, virtual_deregistrations=True, stay=60.0), [], 200.0),
    (replace(_MOBILES, stay=0.0), [Fault(100.0, "address is taken", (4, 0, 60.0))], 200.0),
    (replace(_MOBILES, stay=0.0), _CHANGES, 400.0),
    (
        replace(_MOBILES, max_rules=20, stay=0.0, mobiles=40, arrivals=60.0),
        [Fault(2.0, "spoofed storm", (4, 100.0, (30, 3), 5))],
        250.0,
    ),
    (replace(_ARRIVING, leastconns=True, idle=600, stay=0.0), [Fault(100.0, "power cycle", (0,))], 350.0),
    (replace(_MOBILES, controllers=2, stay=0.0, idle=300), _TURNS, 260.0),
    (  # few mobiles, and in the end no home agent
        replace(_ARRIVING, home_agents=2, weights=(), pdsns=1, mobiles=4, numconns=2, retry=0, idle=300, lifetime=60),
        [Fault(60.0, "home agent hangs", (0,)), Fault(400.0, "home agent hangs", (1,))],
        700.0,
    ),
]
