"""The flow monitor of the simulated switch (ONF EXT-187): changes of the tables, reported as Open vSwitch 3.1 does.

A monitor reports rules that are added, deleted or modified to its connection, at the end of the message that changed
them. Changes that came over the same connection are abbreviated, unless the monitor asks for its own. When a controller
is slow to read, its monitors pause: they report only deletions of rules that were there before. When it has read all,
they report what was added or modified meanwhile, and resume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, Optional

from simulation.actions import OFPP_ANY
from simulation.flow_table import Flow, MalformedError, Match, is_within, read_match
from simulation.openflow import EXPERIMENTER, MULTIPART_REPLY, ONF, packed

if TYPE_CHECKING:
    from simulation.datapath import Datapath
    from simulation.switch_connection import SwitchConnection

FLOW_MONITOR = 1870
MONITOR_CANCEL, MONITOR_PAUSED, MONITOR_RESUMED = 1870, 1871, 1872
INITIAL, ADD, DELETE, MODIFY, ACTIONS, OWN = (1 << bit for bit in range(6))
ADDED, DELETED, MODIFIED, ABBREVIATED = range(4)
#: Bytes that wait to be sent to a controller beyond which its monitors pause.
PAUSE_LIMIT = 128 * 1024
_FLAG_OF_EVENT = (ADD, DELETE, MODIFY)
_REQUEST = Struct("!IHHIB3x")
_UPDATE = Struct("!HHHHHHHBxQ")
#: Bytes of updates that one message may have.
_PART = 60_000


class Origin(NamedTuple):
    """The message that changes a rule: over which connection it came, and its transaction id."""

    connection: Optional[SwitchConnection]
    xid: int


#: The origin of what the switch does itself, or others do to it.
UNKNOWN = Origin(None, 0)


@dataclass
class Monitor:
    """What one monitor asks for."""

    flags: int
    out_port: int
    table: int
    match: Match

    def wants(self, table: int, flow: Flow) -> bool:
        """Whether a rule is one that it is about."""
        return (
            self.table in (table, 0xFF)
            and (self.out_port == OFPP_ANY or (0, self.out_port) in flow.actions)
            and is_within(flow.match, self.match)
        )


class FlowMonitors:
    """The monitors of one switch. Every change of its tables is numbered, as :class:`.Flow` notes."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._watchers: list[Watcher] = []
        self._change = 0

    def watcher(self, connection: SwitchConnection, unsent: Callable[[], int]) -> Watcher:
        """The monitors of a connection; ``unsent`` is the number of bytes that wait to be sent over it."""
        return Watcher(self, connection, unsent)

    @property
    def watchers(self) -> list[Watcher]:
        """The connections that have monitors."""
        return self._watchers

    @property
    def change(self) -> int:
        """The number of the last change."""
        return self._change

    def rules(self) -> list[tuple[int, Flow]]:
        """All rules with their tables."""
        return [(number, flow) for number, table in self._datapath.tables_with_rules() for flow in table]

    def report(self, event: int, table: int, flow: Flow, origin: Origin = UNKNOWN, reason: int = 0) -> None:
        """A rule was changed by a message of this origin; ``reason`` is that of a deletion (OFPRR_…)."""
        self._change += 1
        if event == ADDED:
            flow.added = flow.modified = self._change
        elif event == MODIFIED:
            flow.modified = self._change
        for watcher in self._watchers:
            own_xid = origin.xid if watcher.connection is origin.connection else None
            watcher.note(event, table, flow, reason, own_xid)

    def noted(self) -> list[tuple[list[bytes], bool]]:
        """What has been noted and not sent, for :meth:`revert`."""
        return [watcher.noted for watcher in self._watchers]

    def revert(self, noted: list[tuple[list[bytes], bool]]) -> None:
        """A bundle was rolled back: forget what has been noted since."""
        for watcher, each in zip(self._watchers, noted):
            watcher.noted = each

    def flush(self) -> None:
        """Send what has been noted."""
        for watcher in self._watchers:
            watcher.flush()

    def resume(self) -> None:
        """Resume the monitors of controllers that have read all."""
        for watcher in self._watchers:
            watcher.resume()


class Watcher:
    """The monitors of one connection."""

    def __init__(self, monitors: FlowMonitors, connection: SwitchConnection, unsent: Callable[[], int]) -> None:
        self.connection = connection
        self._all = monitors
        self._unsent = unsent
        self._monitors: dict[int, Monitor] = {}
        self._updates: list[bytes] = []
        self._has_abbreviated = False
        self._paused: Optional[int] = None

    def open(self, message: bytes, xid: int) -> None:
        """Open the monitors of a request, and report the rules that are there if that is asked for."""
        offset, opened = 24, []
        while offset < len(message):
            number, flags, _, out_port, table = _REQUEST.unpack_from(message, offset)
            match, offset = read_match(message, offset + _REQUEST.size)
            if not flags & (ADD | DELETE | MODIFY) or flags >= OWN << 1:
                raise MalformedError(16, 1)  # OFPET_FLOW_MONITOR_FAILED, OFPMOFC_BAD_FLAGS
            opened.append((number, Monitor(flags, out_port, table, match)))
        initial = [
            _update(ADDED, table, flow, 0, any(each.flags & ACTIONS for each in about))
            for table, flow in self._all.rules()
            for about in [[each for _, each in opened if each.flags & INITIAL and each.wants(table, flow)]]
            if about
        ]
        self._monitors.update(opened)
        if self not in self._all.watchers:
            self._all.watchers.append(self)
        self._send(initial, xid)

    def cancel(self, number: int) -> None:
        """End a monitor."""
        if self._monitors.pop(number, None) is None:
            raise MalformedError(16, 0)  # OFPMOFC_UNKNOWN
        if not self._monitors:
            self.close()

    def close(self) -> None:
        """The connection has ended."""
        if self in self._all.watchers:
            self._all.watchers.remove(self)

    @property
    def noted(self) -> tuple[list[bytes], bool]:
        """The updates that have not been sent, and whether an abbreviation is among them."""
        return list(self._updates), self._has_abbreviated

    @noted.setter
    def noted(self, noted: tuple[list[bytes], bool]) -> None:
        self._updates, self._has_abbreviated = noted

    def note(self, event: int, table: int, flow: Flow, reason: int, own_xid: Optional[int]) -> None:
        """Note a change; ``own_xid`` is the transaction id if it came over this connection."""
        if self._paused is not None and (event != DELETED or flow.added > self._paused):
            return
        flags = 0
        for monitor in self._monitors.values():
            if monitor.flags & _FLAG_OF_EVENT[event] and monitor.wants(table, flow):
                flags |= monitor.flags
        if not flags:
            return
        if own_xid is None or flags & OWN or self._paused is not None:
            self._updates.append(_update(event, table, flow, reason, bool(flags & ACTIONS)))
        elif not self._has_abbreviated:
            self._has_abbreviated = True
            self._updates.append(b"\0\x08\0\x03" + own_xid.to_bytes(4, "big"))

    def flush(self) -> None:
        """Send what has been noted, and pause if the controller does not read."""
        if not self._updates:
            return
        updates, self._updates, self._has_abbreviated = self._updates, [], False
        self._send(updates)
        if self._paused is None and self._unsent() > PAUSE_LIMIT:
            self._paused = self._all.change
            self._notify(MONITOR_PAUSED)

    def resume(self) -> None:
        """Report what was added or modified while the monitors were paused, if the controller has read all."""
        if self._paused is None or self._unsent():
            return
        paused, self._paused = self._paused, None
        updates = []
        for table, flow in self._all.rules():
            if flow.modified <= paused:
                continue
            event = ADDED if flow.added > paused else MODIFIED
            wanted = ADD | MODIFY if event == ADDED else MODIFY
            about = [each for each in self._monitors.values() if each.flags & wanted and each.wants(table, flow)]
            if about:
                updates.append(_update(event, table, flow, 0, any(each.flags & ACTIONS for each in about)))
        if updates:
            self._send(updates)
        self._notify(MONITOR_RESUMED)

    def _notify(self, kind: int) -> None:
        self.connection.send(EXPERIMENTER, ONF.to_bytes(4, "big") + kind.to_bytes(4, "big"))

    def _send(self, updates: list[bytes], xid: int = 0) -> None:
        parts = [b""]
        for update in updates:
            if len(parts[-1]) + len(update) > _PART:
                parts.append(b"")
            parts[-1] += update
        for number, part in enumerate(parts, 1):
            head = b"\xff\xff" + int(number < len(parts)).to_bytes(2, "big") + bytes(4)
            body = ONF.to_bytes(4, "big") + FLOW_MONITOR.to_bytes(4, "big") + part
            self.connection.send(MULTIPART_REPLY, head + body, xid)


def _update(event: int, table: int, flow: Flow, reason: int, with_actions: bool) -> bytes:
    match = packed(flow.match)
    length = _UPDATE.size + len(match) + len(flow.instructions) * with_actions
    head = (length, event, reason if event == DELETED else 0, flow.priority, flow.idle_timeout, flow.hard_timeout)
    body = _UPDATE.pack(*head, 4 + len(flow.match.oxms), table, flow.cookie) + match
    return body + flow.instructions if with_actions else body
