"""The lab as these tests use it: hosts without programs, and everything that they receive.

Nothing here waits a fixed time for something not to happen. A :class:`Bench` sends a marker behind the frames under
test, a closing request to each home agent: switch, controller and switch again keep the order, so once the markers have
arrived, all that was to arrive before them is there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, Union

from mobile import CLIENT, CLIENT_MAC, VIRTUAL, frame, nai, request

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import SWITCH
from haslb_lab.chassis.topology import LabTopology, NodePort, SwitchPort
from haslb_lab.runner import waiting
from haslb_lab.runner.capture import FRAMES, Capture, interface
from haslb_lab.runner.flows import Flow
from haslb_lab.runner.janitor import DIRECTORY
from haslb_lab.runner.lab import BALANCER, Lab
from ryu_haslb.cli.client import ControlError
from ryu_haslb.openflow.flow_tables.pipeline import (
    PIPELINE,
    REPLY_PURPOSES,
    TEMPORARY_PURPOSES,
    Purpose,
    dispatch_address,
)
from ryu_haslb.show.statistics import DROPPED
from ryu_haslb.slb.drop_reason import DropReason

#: The configuration of the lab's balancer, unless it is YAML.
CONFIGURATION_FILE = DIRECTORY / "balancer.ios"
SECOND_SWITCH = "haslb2"
PDSN = "pdsn1"
MACS = {
    PDSN: CLIENT_MAC,
    "pdsn2": "00:00:5e:00:53:02",
    "sami1": "00:00:5e:00:53:51",
    "sami2": "00:00:5e:00:53:52",
    "sami3": "00:00:5e:00:53:53",
    "router": "00:00:5e:00:53:99",
}
REALS = {"sami1": "10.1.1.51", "sami2": "10.1.1.52", "sami3": "10.1.1.53"}

#: What moves when a session times out, in the midst of whatever a test does.
BY_TIME = {"sessions", "unconfirmed_sessions", "timeouts"}

#: Seconds that a marker registers for: none, a deregistration, so that it leaves no session behind.
MARKER_LIFETIME = 0

#: Seconds after which a marker that has not come is sent again.
MARKER_TIMEOUT = 5.0
#: Seconds before a retransmission: what comes within one second is none (RFC 5944 section 3.6.3).
RETRANSMISSION_INTERVAL = 1.1
#: Seconds after which what a test waits for does not come any more, on a machine with much other work.
WAIT_TIMEOUT = 60.0
#: Frames that are sent before the next marker: fewer than Open vSwitch holds for a slow controller.
_CHUNK = 100


class PlainChassis(LabTopology):
    """The PDSN at port 1, home agents from port 2 on, all without programs; ``second`` are hosts of a second switch.

    The link between the switches, if there are two, takes the next port of each.
    """

    def build(
        self,
        reals: Sequence[str] = ("sami1", "sami2", "sami3"),
        second: Sequence[str] = (),
        loopback: Optional[str] = VIRTUAL,
        **_: Any,
    ) -> None:
        """Describe the nodes and links; Mininet calls this with the parameters that the topology was made with."""
        self.add_switch(SWITCH, datapath_id=1)
        for port, name in enumerate((PDSN, *reals), 1):
            self._add(SWITCH, name, port, loopback)
        if second:
            self.add_switch(SECOND_SWITCH, datapath_id=2)
            for port, name in enumerate(second, 1):
                self._add(SECOND_SWITCH, name, port, loopback)
            self.link_switches(
                SwitchPort(SWITCH, number=len(reals) + 2), SwitchPort(SECOND_SWITCH, number=len(second) + 1)
            )
        self.add_controller(SWITCH)

    def _add(self, switch: str, name: str, port: int, loopback: Optional[str]) -> None:
        address = {PDSN: CLIENT, "pdsn2": "10.1.1.102", "router": "10.1.1.1", **REALS}[name]
        held = IPv4Address(loopback) if loopback and name in REALS else None
        self.add_node(name, mac=MACS[name], loopback=held)
        self.attach(NodePort(name, address=IPv4Interface(f"{address}/24")), SwitchPort(switch, number=port))


class YamlLab(Lab):
    """A lab whose balancer reads YAML."""

    @property
    def _configuration_file(self) -> Path:
        return super()._configuration_file.with_suffix(".yaml")


class Bench:
    """A running lab, a sender at each host, a capture at each home agent. Use it as a context manager.

    ``reals`` are the nodes where home agents' frames are captured, and the home agents' addresses. ``virtual`` names
    the virtual address by which the marker of a home agent goes, where it is not the usual one. ``switches`` are those
    that the balancer serves. It is the one of :mod:`patient_balancer`, unless the lab has another application.
    """

    def __init__(
        self,
        lab: Lab,
        reals: Mapping[str, str] = REALS,
        virtual: Optional[Mapping[str, str]] = None,
        switches: Sequence[str] = (SWITCH,),
    ) -> None:
        self.lab = lab
        if lab.application == BALANCER:
            lab.application = str(Path(__file__).with_name("patient_balancer.py"))
        self._reals = dict(reals)
        self._virtual = dict(virtual or {})
        self._switches = switches
        self._senders: dict[str, subprocess.Popen[bytes]] = {}
        self._captures: dict[str, Capture] = {}
        self._stack = ExitStack()
        self._markers = self._markers_again = 0
        self._names = count(1)

    def __enter__(self) -> Bench:
        with ExitStack() as stack:
            stack.enter_context(self.lab)
            for node in self._reals:
                self._captures[node] = stack.enter_context(self.lab.capture(node))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    # Frames

    def send(self, *frames: bytes, node: str = PDSN) -> None:
        """Send frames from a node's interface, one behind the other."""
        if node not in self._senders:
            argv = [sys.executable, str(FRAMES), "send", interface(node)]
            self._senders[node] = self.lab.run(node, argv, stdin=subprocess.PIPE)
        sender = self._senders[node].stdin
        assert sender is not None
        sender.write("".join(f"{each.hex()}\n" for each in frames).encode())
        sender.flush()

    def finish_sending(self, node: str = PDSN) -> None:
        """Wait until a node's last frame is out and the captures have caught up with a storm that no test read."""
        sender = self._senders.pop(node)
        assert sender.stdin is not None
        sender.stdin.close()
        sender.wait()
        for capture in self._captures.values():
            while len(capture.frames) < len(capture.listen(0.1)):
                pass

    def exchange(self, *frames: bytes, node: str = PDSN) -> dict[str, list[bytes]]:
        """Send frames and return what came to each home agent because of them (ARP left out), in order."""
        self.settle(node)
        received: dict[str, list[bytes]] = {name: [] for name in self._reals}
        for start in range(0, len(frames), _CHUNK):
            self.send(*frames[start : start + _CHUNK], node=node)
            for name, came in self.settle(node).items():
                received[name] += came
        return received

    def only(self, node: str, *frames: bytes) -> dict[str, list[bytes]]:
        """What :meth:`exchange` returns when these frames come to one home agent and nothing to any other."""
        return {name: list(frames) if name == node else [] for name in self._reals}

    def deliver(self, sent: bytes, node: str = PDSN) -> str:
        """Send one frame and return the home agent that it came to; it must come to one and once."""
        came = [name for name, frames in self.exchange(sent, node=node).items() for _ in frames]
        assert len(came) == 1, f"the frame came to {came or 'no home agent'}"
        return came[0]

    def retransmit(self, sent: bytes, node: str = PDSN) -> str:
        """Deliver a frame that repeats an older one, when so much time has passed that it counts as repeated."""
        time.sleep(RETRANSMISSION_INTERVAL)
        return self.deliver(sent, node)

    def settle(self, node: str = PDSN) -> dict[str, list[bytes]]:
        """Wait until all that was sent from a node has arrived, and return it."""
        received = {}
        name = f"marker-{next(self._names)}@bench"
        self._markers += len(self._reals)
        markers = {}
        for real, address in self._reals.items():
            closing = request(nai(name), home_agent=address, lifetime=MARKER_LIFETIME)
            markers[real] = frame(closing, dst=self._virtual.get(real, VIRTUAL))
            self.send(markers[real], node=node)
        for real, marker in markers.items():
            capture = self._captures[real]
            self._await_marker(capture, name.encode(), partial(self.send, marker, node=node))
            received[real] = [each for each in capture.frames if not is_arp(each) and b"@bench" not in each]
            capture.frames.clear()
        return received

    def _await_marker(self, capture: Capture, name: bytes, send_again: Callable[[], None]) -> None:
        """Wait for a marker, and send it again as a mobile would: where processes wait long for a processor, the
        balancer drops requests of unknown mobiles because of overload (docs/states.md)."""
        for _ in range(int(WAIT_TIMEOUT / MARKER_TIMEOUT)):
            with suppress(TimeoutError):
                capture.wait_for(lambda each: name in each, MARKER_TIMEOUT)
                return
            self._markers_again += 1
            send_again()
        capture.wait_for(lambda each: name in each)

    @contextmanager
    def without(self, node: str) -> Iterator[None]:
        """Expect no marker of a home agent that cannot be reached for a while."""
        address = self._reals.pop(node)
        yield
        self._reals[node] = address

    # The balancer

    def statistics(self) -> dict[str, int]:
        """The balancer's counters, what the markers cost taken off."""
        counted = {row["counter"]: row["value"] for row in self.lab.query(CONTROLLER, "show ip slb stats")}
        for counter in ("requests", "dispatched", "deregistrations"):
            counted[counter] -= self._markers
        # of a marker that was sent again the first was dropped because of overload, or came late
        overload = DROPPED + DropReason.OVERLOAD_NEW_MOBILE.value
        dropped = min(self._markers_again, counted[overload])
        counted["requests"] -= self._markers_again
        for counter in ("dropped", overload):
            counted[counter] -= dropped
        for counter in ("dispatched", "deregistrations"):
            counted[counter] -= self._markers_again - dropped
        return counted

    def counted(self, *frames: bytes, node: str = PDSN) -> dict[str, int]:
        """The counters that these frames move, and by how much, but for :data:`BY_TIME`."""
        self.settle(node)
        before = self.statistics()
        self.exchange(*frames, node=node)
        return self.moved_since(before)

    def moved_since(self, before: Mapping[str, int]) -> dict[str, int]:
        """The counters that have moved since :meth:`statistics`, and by how much, but for :data:`BY_TIME`."""
        moved = {name: value - before[name] for name, value in self.statistics().items() if name not in BY_TIME}
        return {name: value for name, value in moved.items() if value}

    def sessions(self) -> dict[str, dict[str, Any]]:
        """The rows of ``show ip slb sessions``, by the mobile's NAI or home address."""
        return {row["identity"]: row for row in self.lab.query(CONTROLLER, "show ip slb sessions")}

    def rule(self, name: str, switch: str = SWITCH) -> Flow:
        """The rule of a mobile's session, once the switch has it."""
        cookie = int(self.sessions()[name]["nai_hash"], 16)
        wait_until(lambda: self.rules(cookie, switch), f"the rule of {name} is in place")
        (rule,) = self.rules(cookie, switch)
        return rule

    def source(self, switch: str = SWITCH) -> str:
        """The secret Ethernet source of what a switch dispatches: other switches pass it on. Only its last byte is not
        secret (docs/flows.md)."""
        (match,) = {
            flow.match["dl_src"] for flow in self.lab.flows(0, switch) if flow.cookie == Purpose.PASS_DISPATCHED.cookie
        }
        own = dispatch_address(1 if switch == SWITCH else 2, b"any key").hex(":")
        return match.split("/")[0][:-2] + own[-2:]

    def rules(self, cookie: int, switch: str = SWITCH) -> list[Flow]:
        """The rules with this cookie on a switch."""
        return [flow for flow in self.lab.flows(switch=switch) if flow.cookie == cookie]

    def reals(self) -> dict[str, dict[str, Any]]:
        """The rows of ``show ip slb reals``, by address."""
        return {row["real"]: row for row in self.lab.query(CONTROLLER, "show ip slb reals")}

    @contextmanager
    def configured(self, text: str) -> Iterator[None]:
        """Another configuration for a while. Sessions of before keep what was configured when they began."""
        before = CONFIGURATION_FILE.read_text()
        try:
            self._configure(text)
            yield
        finally:
            self._configure(before)

    def _configure(self, text: str) -> None:
        CONFIGURATION_FILE.write_text(text)
        self.lab.command(CONTROLLER, f"configure replace {CONFIGURATION_FILE} --yes")

    def restart(self) -> None:
        """End the controller, start it anew without the sessions, and have the switches find it at once."""
        self.lab.retire()
        self.lab.stop_controller()
        self.start()

    def start(self) -> None:
        """Start the controller: the rotation at the first home agent, every counter at zero."""
        self._markers = self._markers_again = 0
        for switch in self._switches:
            self.disconnect(switch)
        self.lab.start_controller()
        wait_until(self._answers, "the balancer's control socket answers")
        for switch in self._switches:
            self.connect(switch)
        self.lab.wait_until_balancing()

    def disconnect(self, switch: str = SWITCH) -> None:
        """Send a switch to a controller that is not there. Without any it would forget its rules."""
        self.lab.disconnect_switch(switch)

    def connect(self, switch: str = SWITCH) -> None:
        """Send a switch back to the balancer, and wait until it has its rules."""
        datapath = "2" if switch == SECOND_SWITCH else "1"
        served = f"Switch {datapath:>016}: .* standing rules are in place"
        before = len(re.findall(served, self.lab.log(CONTROLLER)))
        self.lab.connect_switch(switch)
        wait_until(lambda: len(re.findall(served, self.lab.log(CONTROLLER))) > before, f"{switch} is served")

    def _answers(self) -> bool:
        try:
            return bool(self.statistics())
        except (ControlError, ValueError):
            return False

    @property
    def controller(self) -> subprocess.Popen[bytes]:
        """The controller's process."""
        process = self.lab._controller
        assert process is not None
        return process

    def kill_controller(self) -> None:
        """End the controller as a crash would."""
        self.controller.kill()
        self.controller.wait()


#: Tables, priorities and cookies of the rules that are there only while a home agent is in doubt, or for a while.
_COMING_AND_GOING = {
    (PIPELINE[purpose].table, PIPELINE[purpose].priority, purpose.cookie)
    for purpose in REPLY_PURPOSES | TEMPORARY_PURPOSES
}


def comes_and_goes(flow: Flow) -> bool:
    """Whether a rule of ours is there only while a home agent is in doubt, or for a while."""
    return (flow.table, flow.priority, flow.cookie) in _COMING_AND_GOING


def is_arp(each: bytes) -> bool:
    """Whether a frame is ARP, with or without a VLAN tag."""
    return each[16:18] == b"\x08\x06" if each[12:14] == b"\x81\x00" else each[12:14] == b"\x08\x06"


def wait_until(
    condition: Callable[[], Any], what: Union[str, Callable[[], str]], seconds: float = WAIT_TIMEOUT
) -> float:
    """Wait until something that can only be asked for is so, and return the time at which it was."""
    waiting.wait_until(condition, what, seconds)
    return time.monotonic()


def farm(reals: Iterable[tuple[str, int]], *options: str) -> str:
    """Write a server farm HAFARM of addresses and weights in the language of IOS."""
    lines = ["ip slb serverfarm HAFARM", *options]
    for address, weight in reals:
        lines += [f"real {address}", f"weight {weight}", "inservice"]
    return "\n".join([*lines, "!", ""])


def virtual_server(idle: int = 300, *options: str) -> str:
    """Write a virtual server MIPSLB for that farm."""
    return "\n".join(
        [
            "ip slb vserver MIPSLB",
            f"virtual {VIRTUAL} udp 434 service ipmobile",
            "serverfarm HAFARM",
            f"idle ipmobile request {idle}",
            *options,
            "inservice",
            "",
        ]
    )
