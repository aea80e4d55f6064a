"""The commands that a user can try on a scenario that was left up."""

from __future__ import annotations

from collections.abc import Iterator

from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.runner.lab import Lab
from haslb_lab.scenarios.call_flow import shares_of_users
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import VirtualServer


def invitation(lab: Lab, description: Description, sessions: int) -> Iterator[str]:
    """The lines to print when the lab is left up with ``sessions`` sessions."""
    yield "Ask its nodes:"
    for prompt in description.prompts.values():
        yield f"    haslb-lab prompt {prompt}"
    others = [node for node in lab.hosts if node not in description.prompts]
    yield f"Run programs in these nodes, and in {', '.join(others)}:"
    yield f"    haslb-lab exec {_example(description)}"
    yield from _sessions(lab, description, sessions)
    shares = {name: users for name, users in _shares(description, sessions).items() if users}
    for name, users in shares.items():
        yield f"    haslb-lab prompt {name} register {users.start} {len(users)}"
    yield "Steps 5 and 6, the end of the sessions, are yours:"
    for name, users in shares.items():
        yield f"    haslb-lab prompt {name} deregister {users.start} {len(users)}"
    yield f"    haslb-lab prompt {description.home_agents[0].name} show ip mobile binding summary"
    yield "End it:"
    yield "    haslb-lab stop"


def _example(description: Description) -> str:
    if description.mobiles and description.hosts:
        return f"{description.mobiles[0]} ping -c 3 {description.hosts[0].address.ip}"
    return f"{description.pdsns[0].name} ping -c 3 {description.home_agents[0].address.ip}"


def _idle(server: VirtualServer) -> str:
    default = ", the default" if server.idle == VirtualServer.idle else ""
    return f"{server.idle} at {server.name} (idle ipmobile request{default})"


def _sessions(lab: Lab, description: Description, sessions: int) -> Iterator[str]:
    """How many sessions the balancer has now, and their idle times: in examples 5 and 6 they end soon."""
    still_open = sum(real["conns"] for real in lab.query(CONTROLLER, "show ip slb reals"))
    servers = load(description.balancer.configuration).configuration.virtual_servers.values()
    yield f"The balancer has {still_open} of {sessions} sessions open. The bindings stay, but a session ends so many"
    yield f"seconds after its last request: {', '.join(map(_idle, servers))}. To open all again:"


def _shares(description: Description, sessions: int) -> dict[str, range]:
    return shares_of_users([pdsn.name for pdsn in description.pdsns], sessions)
