"""A lab for tests of health: the balancer speaks DFP, and home agents are processes that a test starts, ends and stops.

Every test begins with :meth:`HealthLab.begin`: new home agents, a new balancer, users that no test had before. What can
only be asked for is asked for until it is so, with a deadline (:func:`bench.wait_until`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from bench import wait_until

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import FIRST_HOME_AGENT, NETWORK, PDSN, SWITCH, OneSwitch, in_network
from haslb_lab.chassis.topology import NodePort, SwitchPort
from haslb_lab.checkout import PROGRAMS
from haslb_lab.runner import janitor
from haslb_lab.runner.lab import Lab

SUPERVISOR = NETWORK[1]
"""The balancer's own address among the home agents, from which it connects to DFP agents."""
SWITCH_PORT = 100
#: Seconds until a state that a test waits for.
DEFAULT_TIMEOUT = 60.0
VIRTUAL_SERVER_TEXT = """\
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm HAFARM
  idle ipmobile request 300
  inservice
"""


class SupervisedChassis(OneSwitch):
    """The chassis with the balancer at one of its ports, as the supervisor is, and home agents without a program."""

    def build(self, *arguments: Any, **parameters: Any) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        super().build(*arguments, **parameters)
        self.attach(NodePort(CONTROLLER, 1, in_network(SUPERVISOR)), SwitchPort(SWITCH, number=SWITCH_PORT))


class HealthLab:
    """A running lab and its home agents sami1, sami2, … Use it as a context manager."""

    def __init__(self, home_agents: int = 2, pdsn_options: Sequence[str] = ()) -> None:
        self.names = [f"sami{number + 1}" for number in range(home_agents)]
        self.address = {name: str(FIRST_HOME_AGENT + number) for number, name in enumerate(self.names)}
        topology = SupervisedChassis(
            home_agents, dispatched=False, home_agent_programs=False, pdsn_options=pdsn_options
        )
        self.lab = Lab(topology, farm_text(self.address.values()))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._next_user = 1

    def __enter__(self) -> HealthLab:
        self.lab.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.lab.__exit__(kind, error, traceback)

    def begin(self, configuration: str, home_agent: str, options: Optional[Mapping[str, Sequence[str]]] = None) -> None:
        """Start home agents and balancer anew. ``home_agent`` is the home agents' own configuration."""
        for name in list(self._processes):
            self.end(name)
        for name in self.names:
            self.start(name, home_agent, *(options or {}).get(name, ()))
        self.lab.retire()  # or the sessions of the rules would be taken over
        self.lab.stop_controller()
        self.lab.disconnect_switch()  # or it waits a second before it tries again
        Path(janitor.DIRECTORY / "balancer.ios").write_text(configuration)
        self.lab.start_controller()
        self.lab.connect_switch()
        self.lab.wait_until_balancing()

    # Home agents

    def start(self, name: str, home_agent: str, *options: str) -> None:
        """Start a home agent and wait until it is ready; in ``home_agent`` ADDRESS stands for its address."""
        configuration = janitor.DIRECTORY / f"{name}.ios"
        configuration.write_text(home_agent.replace("ADDRESS", self.address[name]))
        number = self.names.index(name)
        process = self.lab.run(
            name,
            [
                *(sys.executable, str(PROGRAMS / "home_agent.py"), "--address", self.address[name]),
                *("--config", str(configuration), "--control", str(janitor.DIRECTORY / f"{name}.control")),
                *("--home-network", f"10.{200 + number}.0.0/16", *options),
            ],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", f"{name} does not start"
        self._processes[name] = process

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a home agent, with SIGTERM or SIGKILL, even one that was stopped."""
        process = self._processes.pop(name)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        process.wait(DEFAULT_TIMEOUT)

    def stop(self, name: str) -> None:
        """Have a home agent fall silent: it has its port and its connections, and does nothing (SIGSTOP)."""
        self._processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a silent home agent go on; what was sent to it meanwhile is waiting for it."""
        self._processes[name].send_signal(signal.SIGCONT)

    def bindings(self) -> dict[str, set[str]]:
        """The NAIs that each home agent has bound, for those that run."""
        return {
            name: {row["nai"] for row in self.lab.query(name, "show ip mobile binding")["bindings"]}
            for name in self._processes
        }

    def requests_received(self, name: str) -> int:
        """How many requests a home agent has read so far."""
        received: int = self.lab.query(name, "show ip mobile traffic")["received"]
        return received

    # Mobiles

    def take_users(self, count: int) -> int:
        """The first of ``count`` users that no test has had."""
        first, self._next_user = self._next_user, self._next_user + count
        return first

    def registering(self, first: int, count: int) -> Iterator[dict[str, Any]]:
        """Register users; each step says how far it is, the last one how it went."""
        return (json.loads(line) for line in self.lab.stream(PDSN, f"register {first} {count}"))

    def register(self, count: int) -> dict[str, Any]:
        """Register that many new users and return how it went; all must succeed."""
        *_, result = self.registering(self.take_users(count), count)
        assert (result["registered"], result["failed"]) == (count, 0), result
        return result

    def register_until_failed(self, name: str) -> None:
        """Register users until a silent home agent is FAILED: requests that were sent while the switches looked for
        its replies have to remain without one (``ryu_haslb/slb/doubt.py``)."""

        def has_failed() -> bool:
            self.register(2)
            return bool(self.reals()[name]["state"] == "FAILED")

        wait_until(has_failed, f"{name} is FAILED")

    def visitors(self, first: int, count: int) -> dict[str, str]:
        """The home agent's address by NAI, for those users that the PDSN believes to be registered."""
        rows = self.lab.query(PDSN, "show ip mobile visitor")["visitors"]
        return {row["nai"]: row["home_agent"] for row in rows if first <= row["user"] < first + count}

    # The balancer

    def reals(self) -> dict[str, dict[str, Any]]:
        """The rows of ``show ip slb reals``, by home agent."""
        rows = {row["real"]: row for row in self.lab.query(CONTROLLER, "show ip slb reals")}
        return {name: rows[address] for name, address in self.address.items()}

    def weights(self) -> list[int]:
        """The weights that the rotation goes by, in the order of the home agents."""
        return [row["weight"] for row in self.reals().values()]

    def reported(self) -> dict[str, int]:
        """The weights that DFP agents have set, by home agent."""
        rows = {row["real"]: row["weight"] for row in self.lab.query(CONTROLLER, "show ip slb dfp weights")}
        return {name: rows[address] for name, address in self.address.items() if address in rows}

    def counters(self) -> dict[str, int]:
        """The rows of ``show ip slb stats``."""
        return {row["counter"]: row["value"] for row in self.lab.query(CONTROLLER, "show ip slb stats")}

    def await_weights(self, *weights: int, seconds: float = DEFAULT_TIMEOUT) -> float:
        """Wait until the rotation goes by these weights and return the time at which it did."""
        return wait_until(
            lambda: self.weights() == list(weights), lambda: f"the weights are {weights}, not {self.weights()}", seconds
        )

    def await_weight(self, name: str, weight: int) -> float:
        """Wait until the rotation goes by this weight of a home agent; that of another one may change with its load."""
        return wait_until(
            lambda: self.reals()[name]["weight"] == weight, f"the weight of {name} is {weight}", DEFAULT_TIMEOUT
        )

    def await_state(self, name: str, state: str, seconds: float = DEFAULT_TIMEOUT) -> float:
        """Wait until a home agent is in this state and return the time at which it was."""
        return wait_until(lambda: self.reals()[name]["state"] == state, f"{name} is {state}", seconds)


def farm_text(addresses: Any, *sub_commands: str) -> str:
    """A farm in dispatched mode whose reals all have the same sub-commands, and its virtual server."""
    lines = ["ip slb serverfarm HAFARM"]
    for address in addresses:
        lines += [f"  real {address}", *(f"    {command}" for command in sub_commands), "    inservice"]
    return "\n".join([*lines, "!", VIRTUAL_SERVER_TEXT])


def manager_text(addresses: Any, timeouts: str, password: str = "") -> str:
    """The DFP manager of the balancer; ``timeouts`` are TIMEOUT RETRY-COUNT RETRY-INTERVAL."""
    return "\n".join(
        [f"ip slb dfp {password}".rstrip(), *(f"  agent {address} 500 {timeouts}" for address in addresses), "!", ""]
    )


def bound_more_than_once(bindings: Mapping[str, set[str]]) -> set[str]:
    """The NAIs that more than one home agent has bound."""
    counted = Counter(nai for bound in bindings.values() for nai in bound)
    return {nai for nai, count in counted.items() if count > 1}
