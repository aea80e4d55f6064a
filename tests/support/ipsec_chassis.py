"""A small chassis with an IPsec module, and what tests of it need: taps on both sides of the module, frames into its
outside port, charon's death.

The PDSN is on the outside VLAN 16; so is an intruder. The home agents are on VLAN 99, behind the router of VLAN 15.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from bench import wait_until
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from haslb_lab.chassis.cisco7600 import Cisco7600
from haslb_lab.chassis.reader import read_description
from haslb_lab.runner.capture import Capture
from haslb_lab.runner.lab import Lab

PDSN, MODULE, INTRUDER, INSIDE_HOST, ROUTER = "PDSN-7600", "ipsec1", "intruder", "insider", "msfc1"
HOME_AGENTS = {"HA5-2": "10.99.11.11", "HA5-3": "10.99.11.12"}
VIRTUAL, CLIENT, GATEWAY = "15.1.1.10", "15.1.1.51", "15.1.1.15"
INSIDE_VLAN, OUTSIDE_VLAN = 15, 16
SWITCH = "haslb1"
OUTSIDE_PORT = f"{SWITCH}-gi6-2"

DESCRIPTION = """\
balancer: {configuration: slb.ios}
chassis:
  SLB-7600:
    supervisor: {switch: haslb1, datapath_id: 1}
    vlans:
      15: {interface: 15.1.1.15/8}
      16: {}
      99: {interface: 10.99.11.1/24}
    line_cards:
      FastEthernet3/15: {vlan: 16, crypto_connect_vlan: 15}
      FastEthernet3/16: {vlan: 16, crypto_connect_vlan: 15}
      FastEthernet3/20: {vlan: 15}
    ipsec_module:
      inside: {port: GigabitEthernet6/1, allowed_vlans: "1,15,1002-1005"}
      outside: {port: GigabitEthernet6/2, allowed_vlans: "1,16,1002-1005"}
    sami:
      5:
        vlan: 99
        home_agents:
          HA5-2: {address: 10.99.11.11/24}
          HA5-3: {address: 10.99.11.12/24}
pdsns:
  PDSN-7600: {port: SLB-7600 FastEthernet3/15, interface: FastEthernet1/0, address: 15.1.1.51/8, home_agent: 15.1.1.10,
              configuration: pdsn.ios, gateway: 15.1.1.15}
hosts:
  intruder: {port: SLB-7600 FastEthernet3/16, address: 15.1.1.66/8}
  insider: {port: SLB-7600 FastEthernet3/20, address: 15.1.1.77/8}
"""

BALANCER = """\
ip slb serverfarm FARM1
  nat server
  real 10.99.11.11
    inservice
  real 10.99.11.12
    inservice
!
ip slb vserver IPSECSLB
  virtual 15.1.1.10 udp 434 service ipmobile
  serverfarm FARM1
  inservice
!
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.51
!
crypto ipsec transform-set esp-des-sha-transport ah-sha-hmac esp-des
!
crypto map l2tpmap 10 ipsec-isakmp
  set peer 15.1.1.51
  set transform-set esp-des-sha-transport
  match address 101
!
interface GigabitEthernet6/1
  switchport trunk allowed vlan 1,15,1002-1005
!
interface GigabitEthernet6/2
  switchport trunk allowed vlan 1,16,1002-1005
!
interface FastEthernet3/15
  crypto connect vlan 15
!
interface FastEthernet3/16
  crypto connect vlan 15
!
interface Vlan15
  ip address 15.1.1.15 255.0.0.0
  crypto map l2tpmap
!
access-list 101 permit ip host 15.1.1.10 host 15.1.1.51
"""

PDSN_CONFIGURATION = """\
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.15
!
crypto ipsec transform-set esp-des-sha-transport esp-des esp-sha-hmac
!
crypto map l2tpmap 10 ipsec-isakmp
  set peer 15.1.1.15
  set transform-set esp-des-sha-transport
  match address 101
!
interface FastEthernet1/0
  ip address 15.1.1.51 255.0.0.0
  crypto map l2tpmap
!
access-list 101 permit ip host 15.1.1.51 host 15.1.1.10
"""


class IpsecLab(Lab):
    """The chassis, described by files in ``directory``."""

    def __init__(self, directory: Path, balancer: str = BALANCER, description: str = DESCRIPTION) -> None:
        (directory / "slb.ios").write_text(balancer)
        (directory / "pdsn.ios").write_text(PDSN_CONFIGURATION)
        (directory / "chassis.yaml").write_text(description)
        super().__init__(Cisco7600(read_description(directory / "chassis.yaml")), balancer)
        self._sequence = 0

    def __enter__(self) -> IpsecLab:
        super().__enter__()
        return self

    # Security associations

    def secure(self) -> None:
        """Wait until both sides have the security association."""
        for node in (PDSN, MODULE):
            self.await_told(node, "all security associations are up\n")

    def clear_counters(self) -> None:
        """Set the counters of both sides to 0."""
        for node in (PDSN, MODULE):
            self.command(node, "clear crypto counters")

    def await_told(self, node: str, expected: str) -> None:
        """Wait until a node that is to wait for its security associations answers like this."""
        told = ""

        def is_told() -> bool:
            nonlocal told
            told = self.command(node, "wait crypto sa 6")
            return told.startswith(expected)

        wait_until(is_told, lambda: f"{node} says {told!r}, expected {expected!r}; its log:\n{self.log(node)}")

    def security(self, node: str) -> dict[str, Any]:
        """The only row of ``show crypto ipsec sa``."""
        (row,) = self.query(node, "show crypto ipsec sa")
        return dict(row)

    def dropped(self) -> dict[str, int]:
        """What the module has dropped, by reason."""
        return dict(self.query(MODULE, "show interfaces counters")["dropped"])

    def vici(self, node: str) -> str:
        """The control socket of a node's charon."""
        return str(self._control(node).with_suffix(".vici"))

    def charon(self, node: str) -> int:
        """The process id of a node's charon."""
        (found,) = self.charons(node)
        return found

    def charons(self, node: str) -> list[int]:
        """The charons in a node's namespace."""
        return [process for process, command in self._processes_of(node) if command[0] == "/usr/lib/ipsec/charon"]

    def kill_charon(self, node: str) -> None:
        """Kill it as nothing else does, and wait until it is gone."""
        killed = self.charon(node)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in self.charons(node), "charon does not end")

    # Programs

    def kill_program(self, node: str, number: int = signal.SIGKILL) -> list[str]:
        """End a node's program by a signal, and return its command line."""
        ((process, command),) = [each for each in self._processes_of(node) if "--control" in each[1]]
        os.kill(process, number)
        return command

    def output(self, node: str, *command: str) -> str:
        """What a command prints in a node's namespace."""
        printed, _ = self.run(node, list(command), stdout=subprocess.PIPE).communicate()
        return str(printed, "utf-8")

    def start(self, node: str, command: list[str]) -> None:
        """Start a node's program and wait until it is ready."""
        with self._log(node).open("ab") as log:
            program = self.run(node, command, stdout=subprocess.PIPE, stderr=log)
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n", self.log(node)

    def plug_in(self, name: str, address: str, vlan: Optional[int] = None) -> None:
        """Connect a new host to a new port of the switch, which no configuration names; it is in ``vlan``, or in all.

        Both ends of the cable bear the lab's mark, so that it goes when the lab does.
        """
        assert self._network is not None, "the lab is not up"
        port, tag = f"{SWITCH}-{name}", [f"tag={vlan}"] if vlan is not None else []
        host = self._network.addHost(name, ip=None)
        self._network.addLink(host, SWITCH, intfName1=f"{name}-eth0", intfName2=port)
        host.setIP(address)
        subprocess.run(["ovs-vsctl", "add-port", SWITCH, port, *tag], check=True)
        subprocess.run(["ip", "link", "set", port, "up"], check=True)

    def _processes_of(self, node: str) -> list[tuple[int, list[str]]]:
        """The processes in a node's namespace, and their command lines."""
        namespace = os.readlink(f"/proc/{self.node(node).pid}/ns/net")
        found = []
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    if os.readlink(directory / "ns" / "net") == namespace:
                        found.append((int(directory.name), (directory / "cmdline").read_text().split("\0")[:-1]))
                except OSError:  # it has ended
                    continue
        return [each for each in found if each[1]]

    # Registrations

    def register(self, first: int, count: int, node: str = PDSN) -> dict[str, Any]:
        """Have a PDSN register users, and return the outcome. On a busy machine it may retransmit a request."""
        *_, last = self.command(node, f"register {first} {count}").splitlines()
        return dict(json.loads(last))

    def deregister(self, first: int, count: int, node: str = PDSN) -> None:
        """Have a PDSN deregister them."""
        self.command(node, f"deregister {first} {count}")

    def bound(self) -> int:
        """How many mobiles the home agents have."""
        return sum(int(self.query(each, "show ip mobile binding summary")["total"]) for each in HOME_AGENTS)

    def sessions(self) -> set[str]:
        """The NAI hashes of the balancer's sessions."""
        return {row["nai_hash"] for row in self.query("controller", "show ip slb sessions ipmobile")}

    # Frames

    def tap(self, side: str) -> Tap:
        """Capture at the module, ``inside`` or ``outside``, both what comes and what leaves; a context manager."""
        return Tap(Capture(self.run, MODULE, f"{MODULE}-{side}", outgoing=True))

    def inject(self, *frames: Packet) -> None:
        """Put frames, with any tags, onto the wire to the module's outside port."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((OUTSIDE_PORT, 0))
            for each in frames:
                wire.send(bytes(each))

    def marker(self) -> Packet:
        """A packet that the module lets pass inward, unlike any other: what came before it has been dealt with."""
        self._sequence += 1
        payload = f"marker {self._sequence} of the tests".encode()
        return IP(src="15.1.1.66", dst="15.1.1.77") / UDP(sport=9, dport=9) / Raw(payload)


class Tap:
    """What passes a port of the module, as Scapy reads it; use it as a context manager."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __enter__(self) -> Tap:
        self._capture.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._capture.__exit__(kind, error, traceback)

    @property
    def packets(self) -> list[Packet]:
        """All so far."""
        return [Ether(frame) for frame in self._capture.frames]

    def wait_for(self, wanted: Callable[[Packet], bool], count: int = 1) -> list[Packet]:
        """Wait until so many have passed that are wanted, and return them."""
        self._capture.wait_for(lambda _: len(self.which(wanted)) >= count)
        return self.which(wanted)

    def which(self, wanted: Callable[[Packet], bool]) -> list[Packet]:
        """Those so far that are wanted."""
        return [each for each in self.packets if wanted(each)]


def outside(packet: Packet, vlan: int = OUTSIDE_VLAN, source: str = "00:00:5e:00:53:66") -> Packet:
    """A packet in a frame of a trunk's, to the router."""
    return Ether(src=source, dst="02:51:b7:00:00:0f") / Dot1Q(vlan=vlan) / packet


def is_clear(packet: Packet) -> bool:
    """Whether it is what the crypto map protects, in clear: anything between the PDSN and the virtual address."""
    return IP in packet and {packet[IP].src, packet[IP].dst} == {CLIENT, VIRTUAL}


def is_esp(packet: Packet) -> bool:
    """Whether it is ESP in UDP from the PDSN to the module (RFC 3948: behind port 4500, with an SPI that is not 0)."""
    return (
        UDP in packet
        and (packet[IP].src, packet[IP].dst, packet[UDP].dport) == (CLIENT, GATEWAY, 4500)
        and len(udp_payload(packet)) > 4
        and udp_payload(packet)[:4] != bytes(4)
    )


def udp_payload(packet: Packet) -> bytes:
    """The payload of a UDP packet, of any Scapy class."""
    return bytes(packet[UDP])[8 : packet[UDP].len]


def is_marker(marker: Packet) -> Callable[[Packet], bool]:
    """Whether a packet is this one."""
    return lambda packet: bytes(marker[Raw]) in bytes(packet)
