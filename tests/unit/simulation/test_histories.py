"""Histories that once broke a rule of the simulator, and what it must find again if they do."""

from __future__ import annotations

from simulation.world import Parameters, World

_SESSIONS = 1


def session_rules(world: World) -> int:
    """The number of session rules on the switch."""
    return sum(flow.cookie >> 32 > 0 for flow in world.switch.datapath.tables[_SESSIONS])


def test_a_full_table_takes_as_many_session_rules_as_fit() -> None:
    """A switch rejects a bundle as a whole, also where all of its rules but one would fit (ONF EXT-230)."""
    for bundles in (True, False):
        world = World(Parameters(seed=5, mobiles=80, arrivals=0.001, idle=300, max_flows=60, bundles=bundles))
        world.start()
        world.clock.run_until(world.clock.now + 30.0)
        table = world.switch.datapath.tables[_SESSIONS]
        assert len(table) == table.limit
        confirmed = sum(session.rule_at == 1 for session in world.controller.balancer.sessions)
        assert confirmed == session_rules(world) == 59
