"""What the simulated switch does with flow-mods, bundles of them (ONF EXT-230), and meter-mods."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Optional

from simulation.actions import OFPP_ANY, OFPP_MAX, Action, Instructions, read_instructions
from simulation.datapath import Meter
from simulation.flow_monitor import ADDED, MODIFIED, UNKNOWN, Origin
from simulation.flow_table import (
    OFPFF_CHECK_OVERLAP,
    OFPFF_SEND_FLOW_REM,
    Flow,
    FlowTable,
    MalformedError,
    Match,
    read_match,
)
from simulation.packet import IN_PORT

if TYPE_CHECKING:
    from simulation.switch import SimulatedSwitch
    from simulation.switch_connection import SwitchConnection

_FLOW_MOD = Struct("!8xQQBBHHHIIIH2x")
_METER_MOD = Struct("!8xHHI")
#: Where a flow-mod has its command, behind the number of the table, its flags and its match.
_COMMAND, _FLAGS, _MATCH = 25, 44, 48
#: Lists of instructions that are remembered.
_MAX_KNOWN_INSTRUCTIONS = 4096


class RejectedBundleError(MalformedError):
    """A bundle was rolled back because of one ``message``."""

    def __init__(self, message: bytes, code: tuple[int, int]) -> None:
        super().__init__(*code)
        self.message = message


class FlowMods:
    """Changes the tables and meters of one switch."""

    def __init__(self, switch: SimulatedSwitch) -> None:
        self._switch = switch
        self._datapath = switch.datapath
        self._origin = UNKNOWN  # of the flow-mod that is being executed
        #: What takes back each change of the bundle that is being committed.
        self._undo: Optional[list[Callable[[], None]]] = None
        self._known_instructions: dict[tuple[bytes, str, bool, bool], Instructions] = {}

    def execute(self, message: bytes, by: Optional[SwitchConnection] = None) -> None:
        """Execute a flow-mod that came over a connection. Raises MalformedError when it is to be rejected."""
        self._origin = Origin(by, int.from_bytes(message[4:8], "big"))
        cookie, mask, table, command, idle, hard, priority, _, out_port, _, flags = _FLOW_MOD.unpack_from(message)
        match, offset = read_match(message, 48)
        match = self._compared(match)
        capabilities = self._switch.capabilities
        if command in (1, 2) and not capabilities.modifies:
            return
        if table == 0xFF and not capabilities.deletes_from_all:
            raise MalformedError(5, 2)  # OFPFMFC_BAD_TABLE_ID
        if (idle or hard) and not capabilities.accepts_timeouts:
            raise MalformedError(5, 5)  # OFPFMFC_BAD_TIMEOUT
        if flags and not capabilities.accepts_flags:
            raise MalformedError(5, 7)  # OFPFMFC_BAD_FLAGS
        if command in (0, 1, 2):
            found, now = self._read_instructions(table, message[offset:]), self._switch.clock.now
            rule = (found.raw, found.goto, found.meter, found.actions)
            idle *= self._switch.capabilities.idle_timeouts
            flow = Flow(priority, match, cookie, idle, hard, self._flags(flags), *rule, now, now)
            if command == 0:
                self._add(table, flow)
            else:
                self._modify(table, flow, command == 2, (cookie, mask))
        elif command in (3, 4):
            mask *= self._switch.capabilities.cookie_deletion
            if command == 4:
                mask *= self._switch.capabilities.strict_deletion_by_cookie
            self._delete(table, match, priority if command == 4 else None, (cookie, mask), out_port)
        else:
            raise MalformedError(5, 6)  # OFPFMFC_BAD_COMMAND

    def _read_instructions(self, table: int, data: bytes) -> Instructions:
        """The instructions of a rule. Raises MalformedError when they cannot be those of a rule in this table."""
        if table >= len(self._datapath.tables):
            raise MalformedError(5, 2)  # OFPET_FLOW_MOD_FAILED, OFPFMFC_BAD_TABLE_ID
        instructions = self._instructions(data)
        if instructions.goto is not None and instructions.goto <= table:
            raise MalformedError(3, 2)
        if instructions.meter is not None and instructions.meter not in self._datapath.meters:
            raise MalformedError(12, 2)  # OFPET_METER_MOD_FAILED, OFPMMFC_INVALID_METER
        self._datapath.check_ports(instructions.actions)
        return instructions

    def _screen(self, message: bytes) -> None:
        """Raises MalformedError when a flow-mod is to be rejected, with any rules in the table."""
        if message[_COMMAND] <= 2:
            length = int.from_bytes(message[_MATCH + 2 : _MATCH + 4], "big")
            self._read_instructions(message[_COMMAND - 1], message[_MATCH + (length + 7) // 8 * 8 :])
        capabilities = self._switch.capabilities
        if capabilities.rejected_matches or not capabilities.matches_reserved_ports:
            self._compared(read_match(message, _MATCH)[0])

    def _compared(self, match: Match) -> Match:
        """The match as far as the switch compares it. Raises MalformedError when it has a field that is rejected."""
        capabilities = self._switch.capabilities
        if not capabilities.matches_reserved_ports and any(
            number == IN_PORT and value > OFPP_MAX for number, value, _ in match.fields
        ):
            raise MalformedError(4, 7)  # OFPET_BAD_MATCH, OFPBMC_BAD_VALUE
        if not capabilities.rejected_matches and not capabilities.ignored_matches:
            return match
        if any(number in capabilities.rejected_matches for number, _, _ in match.fields):
            raise MalformedError(*capabilities.match_error)
        return match._replace(
            fields=tuple(each for each in match.fields if each[0] not in capabilities.ignored_matches)
        )

    def _flags(self, flags: int) -> int:
        return flags if self._switch.capabilities.flow_removed else flags & ~OFPFF_SEND_FLOW_REM

    def execute_meter_mod(self, message: bytes) -> None:
        """Execute a meter-mod. Raises MalformedError when it is to be rejected."""
        command, flags, number = _METER_MOD.unpack_from(message)
        meters = self._datapath.meters
        if not self._switch.capabilities.meters:
            raise MalformedError(1, 1)
        if command == 2:
            for each in list(meters) if number == 0xFFFFFFFF else [number]:
                meters.pop(each, None)
                for index, table in self._datapath.tables_with_rules():
                    for flow in [flow for flow in table if flow.meter == each]:
                        self._switch.remove(index, flow, 2)
            return
        if (number in meters) != (command == 1):
            raise MalformedError(12, 1 if command == 0 else 3)  # METER_EXISTS, UNKNOWN_METER
        rate = int.from_bytes(message[20:24], "big")
        burst = int.from_bytes(message[24:28], "big") if flags & 4 else rate
        burst = max(burst, 1)
        is_stepping = self._switch.capabilities.stepping_meters
        tokens = burst if self._switch.capabilities.full_meters and not is_stepping else 0
        meters[number] = Meter(rate, burst, tokens, self._switch.clock.now, is_stepping=is_stepping)

    def commit(self, messages: list[bytes], by: Optional[SwitchConnection] = None) -> None:
        """All or nothing: each change is taken back when one message is rejected (RejectedBundleError).

        Packets never meet what is taken back, also where they meet changes late: both come in the same moment then.
        """
        noted = self._switch.monitors.noted()
        undo = self._undo = []
        try:
            for step in (self._screen, partial(self.execute, by=by)):
                for message in messages:
                    try:
                        step(message)
                    except MalformedError as error:
                        for take_back in reversed(undo):
                            take_back()
                        self._switch.monitors.revert(noted)
                        raise RejectedBundleError(message, error.code) from error
        finally:
            self._undo = None

    def _note_undo(self, take_back: Callable[..., None], *arguments: object) -> None:
        if self._undo is not None:
            self._undo.append(partial(take_back, *arguments))

    def _instructions(self, data: bytes) -> Instructions:
        """The instructions in these bytes, which the rules of many sessions have in common."""
        capabilities = self._switch.capabilities
        key = data, capabilities.normal, capabilities.output_to_table, capabilities.flood
        found = self._known_instructions.get(key)
        if found is None:
            found = read_instructions(data, 0, len(data), capabilities)
            if len(self._known_instructions) >= _MAX_KNOWN_INSTRUCTIONS:
                self._known_instructions.clear()
            self._known_instructions[key] = found
        return found

    def _add(self, number: int, flow: Flow) -> None:
        table = self._datapath.tables[number]
        before = table.get(flow.priority, flow.match)
        capabilities = self._switch.capabilities
        checks_overlap = flow.flags & OFPFF_CHECK_OVERLAP and (before is None or capabilities.overlaps_itself)
        if checks_overlap and _overlaps(table, flow):
            raise MalformedError(5, 3)  # OFPFMFC_OVERLAP
        if before is None and table.is_full:
            raise MalformedError(5, 1)  # OFPFMFC_TABLE_FULL
        if before is not None:  # counters stay unless OFPFF_RESET_COUNTS says otherwise (section 6.4)
            flow.packets, flow.octets = before.packets, before.octets
            if capabilities.keeps_replaced:
                flow.cookie, flow.flags = before.cookie, before.flags
                flow.idle_timeout, flow.hard_timeout = before.idle_timeout, before.hard_timeout
                flow.installed, flow.used = before.installed, before.used
        table.put(flow)
        if before is None:
            self._note_undo(table.remove, flow)
        else:
            self._note_undo(table.put, before)
        self._switch.monitors.report(ADDED, number, flow, self._origin)

    def _modify(self, number: int, flow: Flow, strict: bool, cookie: tuple[int, int]) -> None:
        table = self._datapath.tables[number]
        if strict:
            found = [each for each in [table.get(flow.priority, flow.match)] if each is not None]
            found = [each for each in found if each.cookie & cookie[1] == cookie[0] & cookie[1]]
        else:
            found = table.select(flow.match, *cookie)
        for each in found:
            is_changed = each.instructions != flow.instructions
            self._note_undo(_instruct, each, each.instructions, each.goto, each.meter, each.actions)
            _instruct(each, flow.instructions, flow.goto, flow.meter, flow.actions)
            if is_changed:
                self._switch.monitors.report(MODIFIED, number, each, self._origin)

    def _delete(
        self, number: int, match: Match, priority: Optional[int], cookie: tuple[int, int], out_port: int
    ) -> None:
        used = self._datapath.used
        for each in sorted(used) if number == 0xFF else [number]:
            table = used.get(each)
            if table is None:
                if each >= len(self._datapath.tables):
                    raise IndexError(each)
                continue
            if priority is None:
                flows = table.select(match, *cookie, self._switch.capabilities.masks_cover)
            else:
                exact = table.get(priority, match)
                flows = [exact] if exact and exact.cookie & cookie[1] == cookie[0] & cookie[1] else []
            for flow in flows:
                is_any = out_port == OFPP_ANY or not self._switch.capabilities.deletion_by_port
                if is_any or (0, out_port) in flow.actions:
                    self._switch.remove(each, flow, 2, self._origin)
                    self._note_undo(table.put, flow)


def _instruct(
    flow: Flow, instructions: bytes, goto: Optional[int], meter: Optional[int], actions: tuple[Action, ...]
) -> None:
    """Give a rule other instructions."""
    flow.instructions, flow.goto, flow.meter, flow.actions = instructions, goto, meter, actions


def _overlaps(table: FlowTable, flow: Flow) -> bool:
    """Whether one packet could match the rule and another of its priority (section 6.4)."""
    for other in table:
        if other.priority != flow.priority:
            continue
        bits = {number: (value, mask) for number, value, mask in other.match.fields}
        if all(
            number not in bits or _compatible((value, mask), bits[number]) for number, value, mask in flow.match.fields
        ):
            return True
    return False


def _compatible(one: tuple[int, Optional[int]], other: tuple[int, Optional[int]]) -> bool:
    mask = (~0 if one[1] is None else one[1]) & (~0 if other[1] is None else other[1])
    return one[0] & mask == other[0] & mask
