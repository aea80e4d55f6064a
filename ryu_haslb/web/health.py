"""Whether the balancer is ready to serve, and what an operator should know at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ryu_haslb.control.operations import Application
from ryu_haslb.show.redundancy import standing_by
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.vservers import vservers

#: States of a farm in which a new session gets a real server.
_SERVING = ("OPERATIONAL", "TESTING", "OUTOFSERVICE")


def not_ready(sources: Sources) -> Iterator[str]:
    """Why requests of new mobiles would get no answer here; nothing if they would."""
    yield from _without_switch(sources)
    yield from _without_home_agent(sources)


def notices(application: Application) -> list[str]:
    """What is wrong, or waits for an operator, as sentences."""
    sources = application.sources
    found = [*_without_switch(sources), application.rollback.remark(time.monotonic()), *_without_home_agent(sources)]
    if sources.member is not None and sources.member.agreement.refused:
        found.append(f"this member cannot apply the configuration of the cluster: {sources.member.agreement.refused}")
    return [each for each in found if each is not None]


def _without_switch(sources: Sources) -> Iterator[str]:
    text = standing_by(sources)
    if text is not None:
        yield text
    elif not any(switch.channel is not None for switch in sources.switches.values()):
        yield "no switch is connected and served"


def _without_home_agent(sources: Sources) -> Iterator[str]:
    for server in vservers(sources):
        if server["state"] not in _SERVING:
            yield (
                f"virtual server {server['vserver']} is {server['state']}: farm {server['farm']} has no home agent for "
                "new sessions"
            )
