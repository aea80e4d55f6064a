"""The simulated switch beside Open vSwitch: what NORMAL does with the same frames at access ports and trunks."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Optional

import pytest
from open_vswitch import forget_fast_path

from haslb_lab.runner import preflight
from haslb_lab.runner.capture import Capture, interface
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions
from ryu_haslb.openflow.wire.wire import OFPFC_ADD, OFPP_NORMAL, output
from simulation.clock import Clock
from simulation.flow_mods import FlowMods
from simulation.switch import SimulatedSwitch

pytestmark = pytest.mark.lab

BRIDGE = "haslbvlans"
#: The VLAN of each access port; None: a trunk.
PORTS: dict[int, Optional[int]] = {1: 10, 2: 10, 3: 20, 4: None, 5: None}
#: A local experimental EtherType (IEEE 802, section 9.2.3.5), of frames under test and of those that follow them.
OURS = UNDER_TEST, MARKER = b"\x88\xb5", b"\x88\xb6"
A, B, C, D = (bytes.fromhex(f"0200000000{number:02x}") for number in (0xA, 0xB, 0xC, 0xD))
EVERYONE = b"\xff" * 6


class Step(NamedTuple):
    """A frame that comes in at a port, and what it shows. ``tag`` is the whole tag control information."""

    shows: str
    port: int
    to: bytes
    source: bytes
    tag: Optional[int] = None
    inner: bytes = b""

    @property
    def frame(self) -> bytes:
        tag = b"" if self.tag is None else b"\x81\x00" + self.tag.to_bytes(2, "big")
        return self.to + self.source + tag + self.inner + UNDER_TEST + self.shows.encode().ljust(46)


STEPS = (
    Step("an unknown address is flooded in the VLAN of the port", 1, B, A),
    Step("a known one is not", 2, A, B),
    Step("nor one by a trunk", 4, A, D, 10),
    Step("nor one at a trunk, whose frames are tagged", 1, D, A),
    Step("an address is known in its VLAN alone", 4, A, D, 20),
    Step("an unknown address in another VLAN", 4, C, D, 20),
    Step("from there", 3, D, C),
    Step("broadcast of an access port", 3, EVERYONE, C),
    Step("broadcast of a trunk", 5, EVERYONE, C, 10),
    Step("a frame without a tag at a trunk is in no VLAN", 4, EVERYONE, D),
    Step("a tag of its own VLAN at an access port", 1, EVERYONE, A, 10),
    Step("a tag of another VLAN at an access port", 1, EVERYONE, A, 20),
    Step("a tag with a priority alone at an access port", 1, EVERYONE, A, 0xA000),
    Step("a tag with a priority alone at a trunk", 4, EVERYONE, D, 0xA000),
    Step("a tag with a priority and a VLAN", 4, EVERYONE, D, 0xA00A),
    Step("a VLAN that no access port has", 4, EVERYONE, D, 30),
    Step("two tags", 4, EVERYONE, D, 10, b"\x81\x00\x00\x1e"),
    Step("an address that has moved", 2, B, A),
    Step("is sought where it is", 4, A, D, 10),
    Step("an address that is at the port", 4, D, B, 10),
    Step("a reserved multicast address", 1, bytes.fromhex("0180c2000000"), A),
    Step("another multicast address", 1, bytes.fromhex("01005e000001"), A),
)


def markers(port: int, number: int) -> list[bytes]:
    """Frames that are valid at the port, and are flooded: what follows a frame under test."""
    source, body = bytes.fromhex(f"02000000ff{port:02x}"), MARKER + number.to_bytes(46, "big")
    tags = [b""] if PORTS[port] is not None else [b"\x81\x00\x00\x0a", b"\x81\x00\x00\x14"]
    return [EVERYONE + source + tag + body for tag in tags]


#: The frames that leave by each port.
Left = dict[int, list[bytes]]


class Simulated:
    """The simulated switch, which switches by NORMAL alone."""

    def __init__(self) -> None:
        names = {port: f"port{port}" for port in PORTS}
        self._left: Left = {}
        self._switch = SimulatedSwitch(1, names, Clock(), lambda port, frame: self._left[port].append(frame))
        self._switch.datapath.access_vlans = {port: vlan for port, vlan in PORTS.items() if vlan is not None}
        rule = FlowMod(OFPFC_ADD, 0, 1, instructions=apply_actions(output(OFPP_NORMAL)))
        FlowMods(self._switch).execute(rule.pack(1))

    def play(self, port: int, frames: list[bytes]) -> Left:
        """The frames that leave when some come in at a port."""
        self._left = {each: [] for each in PORTS}
        for frame in frames:
            self._switch.receive(port, frame)
        return self._left


class OpenVSwitch:
    """A bridge of Open vSwitch in user space that switches by NORMAL alone, with a pair of interfaces for each port."""

    def __init__(self, stack: ExitStack) -> None:
        preflight.check_machine()
        stack.callback(_remove)
        _remove()
        _run("ovs-vsctl", "add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev")
        self._sockets: dict[int, socket.socket] = {}
        self._captures: dict[int, Capture] = {}
        for port, vlan in PORTS.items():
            inside, outside = f"{BRIDGE}{port}", interface(str(port))
            _run("ip", "link", "add", inside, "type", "veth", "peer", "name", outside)
            for each in (inside, outside):
                _run("ip", "link", "set", each, "addrgenmode", "none")  # no frames of IPv6
                _run("ip", "link", "set", each, "up")
            tag = [] if vlan is None else [f"tag={vlan}"]
            number = ["--", "set", "Interface", inside, f"ofport_request={port}"]
            _run("ovs-vsctl", "add-port", BRIDGE, inside, *tag, *number)
            self._sockets[port] = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            self._sockets[port].bind((outside, 0))
            self._captures[port] = stack.enter_context(Capture(_start, str(port)))

    def play(self, port: int, frames: list[bytes], expected: Left) -> Left:
        """The frames that have left until the last ones have that are ``expected``."""
        forget_fast_path()  # what an address that has moved leaves there is revalidated some time later
        for frame in frames:
            self._sockets[port].send(frame)
        for number, awaited in expected.items():
            if awaited:
                self._captures[number].wait_for(lambda found, last=awaited[-1]: found == last)  # type: ignore[misc]
        left: Left = {}
        for number, capture in self._captures.items():
            left[number] = [frame for frame in capture.listen(0) if any(kind in frame[12:22] for kind in OURS)]
            capture.frames.clear()
        return left


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _start(_: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, **options)


def _remove() -> None:
    _run("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    for port in PORTS:
        subprocess.run(["ip", "link", "del", interface(str(port))], check=False, capture_output=True)


def test_normal_switches_the_same_frames_in_the_same_vlans() -> None:
    """IEEE 802.1Q; ovs-vswitchd.conf.db(5), VLAN configuration."""
    simulated = Simulated()
    with ExitStack() as stack:
        real = OpenVSwitch(stack)
        for number, step in enumerate(STEPS):
            frames = [step.frame, *markers(step.port, number)]
            expected = simulated.play(step.port, frames)
            assert real.play(step.port, frames, expected) == expected, step.shows
