"""When home agents measure their DFP weight, so that sessions can be opened between two measures.

The chapter's hundred sessions are fifty at each home agent because no weight changes while they are opened: they are
assigned in turns of 25. A measure during that time would make the turns 24 long.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Optional

from haslb_lab.chassis.description import HomeAgent
from haslb_lab.runner import janitor
from ryu_haslb.configuration.ios.home_agent import read_home_agent

#: Seconds that opening the sessions may take, which must be left before the next measure.
_OPENING_TIME = 5.0

#: Seconds after a measure until its weight has reached the balancer.
_MARGIN = 0.5


def wait_between_measures(home_agents: Iterable[HomeAgent]) -> None:
    """Wait until no home agent measures its weight within the next seconds."""
    await_opening_time({agent.name: interval for agent in home_agents if (interval := _interval(agent)) is not None})


def await_opening_time(intervals: Mapping[str, int]) -> None:
    """The same for home agents by name, with the seconds between two measures of each."""
    while waits := [wait for wait in map(_wait, intervals, intervals.values()) if wait]:
        time.sleep(max(waits))


def _interval(agent: HomeAgent) -> Optional[int]:
    """Seconds between two measures of a home agent; None if it has no DFP agent in service."""
    if agent.configuration is None:
        return None
    configuration, _ = read_home_agent(agent.configuration.read_text("utf-8"), str(agent.configuration))
    service = configuration.dfp_agent
    return service.interval if service is not None and service.in_service else None


def _wait(name: str, interval: int) -> float:
    """Seconds until a home agent's next measure is over; 0 if it is not due soon.

    It measures first when it starts, which is when its control socket was made.
    """
    age = time.time() - (janitor.DIRECTORY / f"{name}.control").stat().st_ctime
    left = interval - age % interval
    return left + _MARGIN if left < min(_OPENING_TIME, interval / 2) else 0.0
