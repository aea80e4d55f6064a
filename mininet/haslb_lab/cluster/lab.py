"""A running cluster: its database servers, its members, the traffic, and ways to break each of them.

Every switch gets ``ovs-vsctl set-controller BRIDGE tcp:A tcp:B`` and no other setting.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import VIRTUAL_SERVER
from haslb_lab.chassis.topology import CONTROLLER_MANAGEMENT
from haslb_lab.cluster import rule_record, traffic
from haslb_lab.cluster.chassis import (
    BEHIND_ROUTER,
    CHASSIS_MAC,
    CONFIGURATION,
    DATABASES,
    HOME_AGENTS,
    MEMBERS,
    PDSNS,
    SWITCHES,
    ClusterChassis,
    database_address,
    database_node,
    member_address,
)
from haslb_lab.cluster.databases import DatabaseServers
from haslb_lab.cluster.ledger import Ledger, read_ledger, read_rules
from haslb_lab.cluster.rule_record import Rule
from haslb_lab.errors import LabError
from haslb_lab.runner import janitor
from haslb_lab.runner.lab import OPENFLOW_PORT, Lab
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cli.client import ControlError

#: Seconds until a member that was started serves or stands by at every switch: Open vSwitch connects every 8 s. On a
#: busy machine the start alone takes a minute.
START_TIMEOUT = 300.0
#: Seconds until another member leads after a failure that no connection reports.
TAKEOVER_TIMEOUT = 60.0

Place = Union[IPv4Address, IPv4Network]


class ClusterLab(Lab):
    """The lab of :class:`.ClusterChassis`. ``members`` are the names of the members."""

    def __init__(self, members: int = 2, configuration: str = CONFIGURATION, **options: Any) -> None:
        super().__init__(ClusterChassis(members=members), configuration, **options)
        self.members = MEMBERS[:members]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._senders: dict[int, subprocess.Popen[bytes]] = {}
        self._recorders: dict[str, subprocess.Popen[bytes]] = {}

    # Up

    def __enter__(self) -> ClusterLab:
        super().__enter__()
        return self

    def start_controller(self) -> None:
        """Start the records of the switches, the database servers, the members, the captures, and the mobiles."""
        subprocess.run(["ip", "route", "add", str(BEHIND_ROUTER), "via", str(CONTROLLER_MANAGEMENT.ip)], check=True)
        for switch in SWITCHES.values():
            socket = Path(os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")) / f"{switch}.mgmt"
            self._recorders[switch] = self._start(CONTROLLER, rule_record, [str(socket), *map(str, _records(switch))])
        addresses = {server: str(database_address(server)) for server in DATABASES}
        self.databases = DatabaseServers(janitor.DIRECTORY / "database", addresses, self._launch_database)
        for name in self.members:
            for number in SWITCHES.keys() - {1}:
                self.node(name).cmd(f"ip address add {member_address(name, number)}/24 dev {name}-eth0")
            self.start(name)
        for agent in HOME_AGENTS:
            self._start(agent, traffic, ["capture", f"{agent}-eth0", str(_file(agent))])
        for number, pdsn in PDSNS.items():
            mac = CHASSIS_MAC.format(number)
            self.node(pdsn).cmd(f"ip neigh replace {VIRTUAL_SERVER} lladdr {mac} dev {pdsn}-eth0")
            words = ["send", str(VIRTUAL_SERVER), str(_first_mobile(number)), str(_file(pdsn))]
            self._senders[number] = self._start(pdsn, traffic, words)

    def _launch_database(self, server: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log(database_node(server)).open("ab") as log:
            return self.run(database_node(server), command, stdout=log, stderr=log)

    def _start(self, node: str, program: ModuleType, words: Sequence[str]) -> subprocess.Popen[bytes]:
        assert program.__file__ is not None
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with self._log(node).open("ab") as log:
            process = self.run(node, [sys.executable, program.__file__, *words], stderr=log, **pipes)
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise LabError(f"the program of {node} does not start: {self._last_log_line(node)}")
        return process

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Give each switch the addresses of all members as its controllers, and nothing else."""
        for number, name in SWITCHES.items():
            subprocess.run(["ovs-vsctl", "del-fail-mode", name], check=True)
            self.connect_to(number, self.members)

    def connect_to(self, switch: int, members: Sequence[str]) -> None:
        """Give a switch the addresses of these members. Its connections to others end."""
        targets = [f"tcp:{member_address(member, switch)}:{OPENFLOW_PORT}" for member in members]
        subprocess.run(["ovs-vsctl", "set-controller", SWITCHES[switch], *targets], check=True)

    def wait_until_balancing(self) -> None:
        """Wait until one member leads and reaches every home agent, and the others stand by at every switch."""
        wait_until(self._is_whole, self._describe, START_TIMEOUT)

    def _describe(self) -> str:
        columns = ("connected", "role", "standby")
        shown = {
            name: [[row[each] for each in columns] for row in self.rows(name, "show ip slb switches")]
            for name in self.members
        }
        return f"one member leads and the others stand by; switches ({', '.join(columns)}): {shown}"

    def _is_whole(self) -> bool:
        leader = self.leader()
        if leader is None or not self.serves(leader) or not self._reaches_database(leader):
            return False
        return all(map(self.stands_by, set(self.members) - {leader}))

    # Members

    def start(self, name: str) -> None:
        """Start a member."""
        manager = [str(Path(sys.executable).with_name("haslb-manager")), self.application]
        environment = {**self._environment(name), "HASLB_CLUSTER": self.databases.remotes, "HASLB_NAME": name}
        with self._log(name).open("ab") as log:
            self.processes[name] = self.run(name, manager, env=environment, stdout=log, stderr=log)

    def end(self, name: str, number: signal.Signals) -> None:
        """End a member, and wait until it has ended."""
        self.processes[name].send_signal(number)
        self.processes[name].wait()

    def rows(self, name: str, command: str) -> Any:
        """A member's answer to a ``show`` command as data; no rows if it does not answer in time."""
        try:
            return self.query(name, command)
        except (ControlError, ValueError):
            return []

    def roles(self, name: str) -> dict[str, str]:
        """The role of a member at each switch that is connected to it."""
        return {SWITCHES[int(row["datapath"], 16)]: row["role"] for row in self.rows(name, "show ip slb switches")}

    def leader(self, among: Optional[Sequence[str]] = None) -> Optional[str]:
        """The member, of these or of all, that is MASTER of every switch; None if none is."""
        for name in self.members if among is None else among:
            if self._has_role(name, "master"):
                return name
        return None

    def await_leader(self, among: Sequence[str]) -> str:
        """Wait until one of these members is MASTER of every switch."""
        found: str = wait_until(lambda: self.leader(among), f"one of {', '.join(among)} leads", TAKEOVER_TIMEOUT)
        return found

    def others(self, name: str) -> list[str]:
        """All members but one."""
        return [each for each in self.members if each != name]

    def stands_by(self, name: str) -> bool:
        """Whether a member could take over: it stands by at every switch, and follows its sessions and the database."""
        follows = [row["standby"] == "following" for row in self.rows(name, "show ip slb switches")]
        return self._has_role(name, "waiting") and all(follows) and self._reaches_database(name)

    def serves(self, name: str) -> bool:
        """Whether a member reaches every home agent from every switch."""
        reals = self.rows(name, "show ip slb reals")
        return bool(reals) and all(len(real["reachable_from"]) == len(SWITCHES) for real in reals)

    def _reaches_database(self, name: str) -> bool:
        return [row["database_connected"] for row in self.rows(name, "show redundancy")] == [True]

    def _has_role(self, name: str, role: str) -> bool:
        roles = self.roles(name)
        return len(roles) == len(SWITCHES) and set(roles.values()) == {role}

    # Cuts

    @contextmanager
    def cut(self, ones: Sequence[Place], others: Sequence[Place]) -> Iterator[None]:
        """Let the router drop, in silence, all that passes between two groups of addresses."""
        pairs = [pair for one, other in product(ones, others) for pair in ((one, other), (other, one))]
        for pair in pairs:
            self._rule("add", *pair)
        try:
            yield
        finally:
            for pair in pairs:
                self._rule("delete", *pair)

    def _rule(self, action: str, source: Place, destination: Place) -> None:
        words = ["ip", "rule", action, "from", str(source), "to", str(destination), "blackhole"]
        process = self.run(CONTROLLER, words)
        if process.wait() != 0:
            raise LabError(f"{' '.join(words)}: failed")

    # Traffic

    def tell(self, pdsn: int, command: str) -> None:
        """Have the mobiles of a PDSN do something (:mod:`.traffic`)."""
        _tell(self._senders[pdsn], command)

    def tell_all(self, command: str, wait: bool = False) -> None:
        """Have the mobiles of all PDSNs do something, and wait until it is done."""
        for pdsn in PDSNS:
            self.tell(pdsn, command)
        for pdsn in PDSNS if wait else ():
            _await_done(self._senders[pdsn], f"the generator of {PDSNS[pdsn]}")

    def ledger(self) -> Ledger:
        """What was sent and what has arrived so far."""
        masters = {number: _records(switch)[1] for number, switch in SWITCHES.items()}
        return read_ledger(
            [_file(each) for each in PDSNS.values()], {each: _file(each) for each in HOME_AGENTS}, masters
        )

    def rule_history(self) -> list[Rule]:
        """Every session rule that a switch has had so far, switch by switch in the order of their additions."""
        found: list[Rule] = []
        for switch, recorder in self._recorders.items():
            _tell(recorder, "record")
            _await_done(recorder, f"the record of {switch}")
            found += read_rules(_records(switch)[0])
        return found

    def rules(self) -> dict[int, set[str]]:
        """Session rules of all switches: the Ethernet addresses that each cookie leads to."""
        found: dict[int, set[str]] = {}
        for switch in SWITCHES.values():
            for flow in self.flows(1, switch):
                if flow.priority and "->eth_dst" in flow.actions:
                    address = flow.actions.split("->eth_dst")[0].rpartition("set_field:")[2]
                    found.setdefault(flow.cookie, set()).add(address)
        return found


def _file(node: str) -> Path:
    return janitor.DIRECTORY / f"{node}.requests"


def _records(switch: str) -> tuple[Path, Path]:
    """The files of the rules and of the masters of a switch."""
    return janitor.DIRECTORY / f"{switch}.rules", janitor.DIRECTORY / f"{switch}.masters"


def _tell(process: subprocess.Popen[bytes], command: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{command}\n".encode())
    process.stdin.flush()


def _await_done(process: subprocess.Popen[bytes], name: str) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != b"done\n":
        raise LabError(f"the program of {name} has ended in the middle of a command")


def _first_mobile(pdsn: int) -> int:
    return pdsn * traffic.MAX_MOBILES
