"""Evidence from outside the balancer: frames at the nodes, and packets that the balancer's flows matched."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from types import TracebackType
from typing import NamedTuple, Optional

from haslb_lab.errors import LabError
from haslb_lab.runner.capture import Capture
from haslb_lab.runner.lab import Lab
from haslb_lab.runner.waiting import CHECK_INTERVAL
from haslb_lab.scenarios.overheard import Message, encrypted, messages
from ryu_haslb.openflow.flow_tables.pipeline import Purpose, Table
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: Seconds until everything that was sent is counted and captured.
_SETTLE_TIMEOUT = 60

_REQUESTS = {Purpose.PUNT_REQUEST.cookie, Purpose.PUNT_REQUEST_TO_CHASSIS.cookie}
_STRAYS = {
    each.cookie for each in (Purpose.PUNT_FRAGMENT, Purpose.PUNT_OTHER_TO_CHASSIS, Purpose.PUNT_OTHER_TO_CHASSIS_INSIDE)
}


class Taken(NamedTuple):
    """How many packets the balancer's flows have matched.

    ``requests`` were punted to the balancer, ``sessions`` matched in the session table, ``strays`` were punted although
    they are not requests.
    """

    requests: int
    sessions: int
    strays: int


def taken(lab: Lab, switches: Iterable[str]) -> Taken:
    """What the balancer's flows on these switches have matched so far. Raises: LabError."""
    _settle()
    flows = [flow for switch in switches for flow in lab.flows(switch=switch)]
    ours = [flow for flow in flows if flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK]
    return Taken(
        sum(flow.packets for flow in ours if flow.cookie in _REQUESTS),
        sum(flow.packets for flow in ours if flow.table == Table.SESSIONS),
        sum(flow.packets for flow in ours if flow.cookie in _STRAYS),
    )


def _settle() -> None:
    """Wait until the counters of the switches' fast path are added to those of the flows."""
    try:
        subprocess.run(["ovs-appctl", "revalidator/wait"], capture_output=True, check=True, timeout=_SETTLE_TIMEOUT)
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"Open vSwitch does not update its flow counters: {error}") from None


class Overhearing:
    """Captures at nodes, and at the outside ports of IPsec modules. Use it as a context manager.

    Call :meth:`catch_up` while many frames arrive.
    """

    def __init__(self, lab: Lab, nodes: Iterable[str], modules: Iterable[str]) -> None:
        self._lab = lab
        self._nodes = tuple(nodes)
        self._modules = tuple(modules)
        self._captures: dict[str, Capture] = {}
        self._outside: list[Capture] = []
        self._stack = ExitStack()

    def __enter__(self) -> Overhearing:
        with ExitStack() as stack:
            self._captures = {node: stack.enter_context(self._lab.capture(node)) for node in self._nodes}
            self._outside = [
                stack.enter_context(self._lab.capture(module, f"{module}-outside")) for module in self._modules
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        with self._stack:
            if error is None:
                self.catch_up()

    def catch_up(self) -> None:
        """Read what the captures have. Raises: LabError if one lost a frame, because nothing is proved then."""
        for capture in (*self._captures.values(), *self._outside):
            capture.listen(0)

    def heard(self, node: str, senders: Collection[IPv4Address], least: int) -> list[Message]:
        """Wait for at least ``least`` messages from these senders at a node, return them, and clear the capture."""
        frames = self._captured(
            [self._captures[node]],
            lambda frames: sum(each.source in senders for each in messages(frames)) >= least,
            f"{least} Mobile IP messages for {node}",
        )
        return [each for each in messages(frames) if each.source in senders]

    def outside(self, senders: Collection[IPv4Address], least: int) -> tuple[int, list[Message]]:
        """Wait for ``least`` encrypted packets or more from these senders at IPsec modules, and clear the captures.

        Returns the number of encrypted packets, and the messages in clear.
        """
        frames = self._captured(
            self._outside,
            lambda frames: sum(packet.source in senders for packet in encrypted(frames)) >= least,
            f"{least} encrypted packets at the outside of the IPsec module",
        )
        packets = [packet for packet in encrypted(frames) if packet.source in senders]
        return len(packets), [each for each in messages(frames) if each.source in senders]

    @staticmethod
    def _captured(captures: Sequence[Capture], enough: Callable[[Sequence[bytes]], bool], what: str) -> list[bytes]:
        """All frames so far, as soon as they are enough. Raises: LabError."""
        deadline = time.monotonic() + _SETTLE_TIMEOUT
        while not enough(frames := [frame for capture in captures for frame in capture.frames]):
            if time.monotonic() > deadline:
                raise LabError(f"not captured in time: {what}")
            for capture in captures:
                capture.listen(CHECK_INTERVAL)
        for capture in captures:
            capture.frames.clear()
        return frames
