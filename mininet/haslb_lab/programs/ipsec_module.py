"""The IPsec module of the lab's 7600: a bump in the wire between an outside and an inside VLAN.

    python -m haslb_lab.programs.ipsec_module --config slb.ios --interface Vlan15 --inside ipsec-eth0 \\
        --outside ipsec-eth1 --inside-vlan 15 --outside-vlan 16 --control /tmp/ipsec.control
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from haslb_lab.errors import ProgramError
from haslb_lab.ipsec.bump import Bump, Port, Reason, Traffic
from haslb_lab.ipsec.charon import Charon
from haslb_lab.ipsec.crypto_commands import Errors, crypto_commands
from haslb_lab.ipsec.crypto_port import CHARON_ROUTING, appear_to_hold, crypto_port, route_into_charon
from haslb_lab.ipsec.esp_errors import CharonLog
from haslb_lab.ipsec.on_demand import Ipsec
from haslb_lab.ipsec.protected_traffic import ProtectedTraffic, read_crypto
from haslb_lab.node import program
from haslb_lab.node.commands import Commands, Handler, in_json, in_lines
from haslb_lab.node.control import Answer
from haslb_lab.node.interfaces import MAX_PACKET_SIZE
from haslb_lab.runner.frames import ETH_P_ALL, MAX_FRAME_SIZE, PACKET_AUXDATA, PACKET_OUTGOING, SOL_PACKET, with_tag
from ryu_haslb.language.grammar import Command, Match

#: Frames that are read before timers and control clients have their turn.
_MAX_BATCH_SIZE = 64
#: Bytes of each trunk's receive buffer.
_RECEIVE_BUFFER_SIZE = 4 << 20


class Module:
    """Connects the decisions of :class:`Bump` with its three ports.

    ``wanted`` is called with the name of an association that traffic needs and that is not established.
    """

    def __init__(
        self, bump: Bump, trunks: Mapping[Port, socket.socket], crypto: int, wanted: Callable[[str], None]
    ) -> None:
        self.not_sent = 0
        self._bump = bump
        self._trunks = trunks
        self._crypto = crypto
        self._wanted = wanted
        loop = asyncio.get_running_loop()
        loop.add_reader(crypto, self._read_crypto)
        for port, trunk in trunks.items():
            loop.add_reader(trunk, self._read_trunk, port, trunk)

    def close(self) -> None:
        """Stop forwarding."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._crypto)
        for trunk in self._trunks.values():
            loop.remove_reader(trunk)

    def _read_crypto(self) -> None:
        for _ in range(_MAX_BATCH_SIZE):
            try:
                packet = os.read(self._crypto, MAX_PACKET_SIZE)
            except OSError:  # nothing left to read
                return
            self._forward(Port.CRYPTO, packet)

    def _read_trunk(self, port: Port, trunk: socket.socket) -> None:
        for _ in range(_MAX_BATCH_SIZE):
            try:
                frame, ancillary, _, (_, _, kind, *_) = trunk.recvmsg(MAX_FRAME_SIZE, socket.CMSG_SPACE(64))
            except OSError:  # nothing left to read, or the interface is down
                return
            if kind != PACKET_OUTGOING:
                auxiliary = next((data for _, what, data in ancillary if what == PACKET_AUXDATA), None)
                self._forward(port, with_tag(frame, auxiliary))

    def _forward(self, port: Port, data: bytes) -> None:
        sent = self._bump.forward(port, data)
        if sent.wanted is not None:
            self._wanted(sent.wanted)
        try:
            if sent.port is Port.CRYPTO:
                os.write(self._crypto, sent.data)
            elif sent.port is not None:
                self._trunks[sent.port].send(sent.data)
        except OSError:  # longer than the interface's MTU, or the interface is down
            self.not_sent += 1


def _trunk(interface: str) -> socket.socket:
    """A socket that receives every frame of an interface with its VLAN tag. Raises: ProgramError."""
    with contextlib.ExitStack() as stack:
        try:
            trunk = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            trunk.setblocking(False)
            trunk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_SIZE)
            trunk.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            trunk.bind((interface, ETH_P_ALL))
        except OSError as error:
            raise ProgramError(f"cannot open the trunk {interface}: {error.strerror}") from None
        stack.pop_all()
        return trunk


@contextlib.asynccontextmanager
async def open_module(arguments: argparse.Namespace) -> AsyncIterator[Commands]:
    """Run the module that the options describe while the context lasts; the value is its commands.

    Raises: OSError, with a message for the operator.
    """
    configuration, translation = read_crypto(arguments.config, arguments.interface)
    protected = ProtectedTraffic(translation)
    bump = Bump(translation.local, protected, arguments.inside_vlan, arguments.outside_vlan)
    async with contextlib.AsyncExitStack() as stack:
        log = stack.enter_context(contextlib.closing(CharonLog(arguments.control.with_suffix(".charon.log"))))
        trunks = {
            Port.INSIDE: stack.enter_context(_trunk(arguments.inside)),
            Port.OUTSIDE: stack.enter_context(_trunk(arguments.outside)),
        }
        crypto = stack.enter_context(crypto_port(translation.local, protected))
        charon = Charon(arguments.control.with_suffix(".vici"), log.add, CHARON_ROUTING)
        userspace = not charon.kernel_esp
        if userspace:
            appear_to_hold(translation.local, protected)

        def started() -> None:
            if userspace:
                route_into_charon(protected)

        ipsec = Ipsec(translation, charon, started, bump.establish)
        stack.push_async_callback(ipsec.close)
        await ipsec.open()
        module = stack.enter_context(contextlib.closing(Module(bump, trunks, crypto, ipsec.need)))
        errors = _errors(bump.traffic, log)
        commands = Commands(crypto_commands(configuration, arguments.interface, ipsec, errors))

        def show_counters(_: Match[Handler], as_json: bool) -> Answer:
            return show_traffic(bump.traffic, module, as_json)

        commands.add([Command("show interfaces counters", show_counters, "Frames and packets passed and dropped")])
        yield commands


def _errors(traffic: Traffic, log: CharonLog) -> Errors:
    """The errors of sending and of receiving: what the module dropped, and what only charon's log shows."""
    dropped = traffic.dropped
    return Errors(
        lambda: (dropped[Reason.NO_ASSOCIATION] + log.send_errors, dropped[Reason.CLEAR_TEXT] + log.recv_errors)
    )


def show_traffic(traffic: Traffic, module: Module, as_json: bool) -> Answer:
    """How many frames and packets the module passed in each direction, and how many it dropped, by reason."""
    passed = {
        "passed_inward": traffic.inward,
        "passed_outward": traffic.outward,
        "received": traffic.received,
        "decrypted": traffic.decrypted,
        "to_encrypt": traffic.encrypted,
        "sent": traffic.sent,
        "not_sent": module.not_sent,
    }
    dropped = {reason.name.lower(): traffic.dropped[reason] for reason in Reason}
    if as_json:
        return in_json({**passed, "dropped": dropped})
    lines = [
        f"Clear frames passed inward {traffic.inward}, outward {traffic.outward}",
        f"IKE and ESP received {traffic.received}, of that packets decrypted {traffic.decrypted}",
        f"Packets to encrypt {traffic.encrypted}, IKE and ESP sent {traffic.sent}",
        f"Refused by an interface {module.not_sent}",
        *(f"Dropped, {reason.value}: {traffic.dropped[reason]}" for reason in Reason),
    ]
    return in_lines(lines)


def options() -> argparse.ArgumentParser:
    """The command line of this program."""
    parser = argparse.ArgumentParser(
        description="The IPsec module of the lab's 7600.",
        epilog="example: ipsec_module.py --config slb.ios --interface Vlan15 --inside ipsec-eth0 --outside ipsec-eth1 "
        "--inside-vlan 15 --outside-vlan 16 --control /tmp/ipsec.control",
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="FILE", help="the balancer's configuration, for its crypto map")
    add("--interface", required=True, metavar="NAME", help="the interface that has the crypto map, such as Vlan15")
    add("--inside", required=True, metavar="IF", help="Linux interface that is the inside trunk")
    add("--outside", required=True, metavar="IF", help="Linux interface that is the outside trunk")
    add("--inside-vlan", type=_vlan, required=True, metavar="N", help="VLAN of the protected interface")
    add("--outside-vlan", type=_vlan, required=True, metavar="N", help="VLAN of the ports connected to it")
    add("--control", type=Path, required=True, metavar="PATH", help="Unix socket for commands")
    return parser


def _vlan(text: str) -> int:
    return program.whole_number(text, 1, 4094)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status."""
    parser = options()
    arguments = parser.parse_args(argv)
    return program.run(parser.prog, str(arguments.control), open_module(arguments))


if __name__ == "__main__":
    sys.exit(main())
