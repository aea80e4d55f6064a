"""One OpenFlow 1.3 flow table: rules by priority and match, found by tuple space search as in Open vSwitch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from operator import itemgetter
from struct import Struct
from typing import NamedTuple, Optional

from simulation.packet import METADATA, Fields, fields_of

OFPFF_SEND_FLOW_REM, OFPFF_CHECK_OVERLAP = 1, 2
_OPENFLOW_BASIC = 0x8000
_HEADER = Struct("!HH")
_NUMBER = itemgetter(0)
_EXACT_COOKIE = 0xFFFFFFFFFFFFFFFF
#: An untagged IPv4 packet without options: all that rules look at is in so many bytes, if the frame is long enough.
_PLAIN_IPV4 = b"\x08\x00\x45"
_PLAIN_HEADERS, _PLAIN_LENGTH = 38, 42
#: Frames that a table remembers, and the rules beyond which it does not: a table of sessions changes all the time.
_MAX_CACHE, _MAX_CACHED_RULES = 4096, 200
#: What is unique in a table: priority and match.
FlowKey = tuple[int, tuple[tuple[int, int, Optional[int]], ...]]


class Match(NamedTuple):
    """What a rule matches: number of the field, value, mask (None: exact). ``oxms`` is the match as it was sent."""

    fields: tuple[tuple[int, int, Optional[int]], ...]
    oxms: bytes


class MalformedError(Exception):
    """Bytes that are not what OpenFlow 1.3 says; ``code`` is the error's type and code."""

    def __init__(self, kind: int, code: int) -> None:
        super().__init__(f"type {kind} code {code}")
        self.code = (kind, code)


def read_match(data: bytes, offset: int) -> tuple[Match, int]:
    """A match structure (section 7.2.3) and where the bytes behind it begin."""
    kind, length = _HEADER.unpack_from(data, offset)
    if kind != 1 or length < 4 or offset + length > len(data):
        raise MalformedError(4, 1)  # OFPET_BAD_MATCH, OFPBMC_BAD_LEN
    position, end = offset + 4, offset + length
    fields: list[tuple[int, int, Optional[int]]] = []
    while position < end:
        oxm_class, rest = _HEADER.unpack_from(data, position)
        position += 4
        size = rest & 0xFF
        if oxm_class != _OPENFLOW_BASIC or position + size > end:
            raise MalformedError(4, 6)  # OFPBMC_BAD_FIELD
        value = int.from_bytes(data[position : position + size], "big")
        position += size
        if rest & 0x100:
            half = size * 4
            fields.append((rest >> 9, value >> half, value & (1 << half) - 1))
        else:
            fields.append((rest >> 9, value, None))
    fields.sort(key=_NUMBER)
    return Match(tuple(fields), data[offset + 4 : end]), offset + (length + 7 & ~7)


def with_masks(match: Match) -> Match:
    """The same match with a mask of ones for each field without a mask, and the last field first."""
    oxms, offset = b"", 0
    while offset < len(match.oxms):
        oxm_class, rest = _HEADER.unpack_from(match.oxms, offset)
        size = rest & 0xFF
        field = match.oxms[offset : offset + 4 + size]
        if not rest & 0x100:
            field = _HEADER.pack(oxm_class, rest & ~0xFF | 0x100 | 2 * size) + field[4:] + b"\xff" * size
        oxms, offset = field + oxms, offset + 4 + size
    return match._replace(oxms=oxms)


@dataclass(eq=False)
class Flow:
    """A rule and its counters. Times are of the virtual clock; time-outs are seconds, 0 for none."""

    priority: int
    match: Match
    cookie: int
    idle_timeout: int
    hard_timeout: int
    flags: int
    instructions: bytes
    goto: Optional[int]
    meter: Optional[int]
    actions: tuple[tuple[int, object], ...]
    installed: float
    used: float
    packets: int = 0
    octets: int = 0
    #: The numbers of the changes that added it, and that modified it last (:mod:`simulation.flow_monitor`).
    added: int = 0
    modified: int = 0

    def __post_init__(self) -> None:
        self.key: FlowKey = (self.priority, self.match.fields)


@dataclass(eq=False)
class _Group:
    """Rules of one priority that look at the same bits of the same fields."""

    priority: int
    bits: tuple[tuple[int, Optional[int]], ...]
    flows: dict[object, Flow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self._reader()

    def _reader(self) -> Callable[[Fields], object]:
        """A function that takes from a packet what the rules look at, as fast as it can be."""
        if not self.bits:
            return lambda _: ()
        if all(mask is None for _, mask in self.bits):
            return itemgetter(*(number for number, _ in self.bits))
        bits = self.bits

        def read(fields: Fields) -> object:
            found = tuple(
                value if mask is None or value is None else value & mask
                for value, mask in [(fields[number], mask) for number, mask in bits]
            )
            return found if len(found) > 1 else found[0]

        return read


#: Carries out a step of the data plane, with a rule.
Later = Callable[[Callable[[Flow], None], Flow], None]


def at_once(step: Callable[[Flow], None], flow: Flow) -> None:
    """The data plane does not lag."""
    step(flow)


class FlowTable:
    """A table with at most ``limit`` rules. ``on_used`` is called when it has its first one, or has lost its last.

    ``later`` has packets meet a new rule, and miss one that is gone, some time after the table shows it.
    """

    def __init__(
        self, limit: int = 1_000_000, on_used: Callable[[bool], None] = lambda _: None, later: Later = at_once
    ) -> None:
        self.limit = limit
        #: The metadata of packets, which no rule changes.
        self.metadata = 0
        self._on_used = on_used
        self._later = later
        self._flows: dict[FlowKey, Flow] = {}
        self._groups: dict[tuple[int, tuple[tuple[int, Optional[int]], ...]], _Group] = {}
        self._order: list[_Group] = []
        self._by_cookie: dict[int, dict[Flow, None]] = {}
        #: Rules with a time-out, by the second at which they are to be looked at.
        self._timed: dict[int, list[Flow]] = {}
        self._looked_at = 0
        #: What matched the last frames, by port and the bytes that rules can look at, as long as no rule changes.
        self._cache: dict[tuple[int, bytes], Optional[Flow]] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._flows.values())

    @property
    def is_full(self) -> bool:
        """Whether no rule can be added but in the place of an equal one."""
        return len(self._flows) >= self.limit

    def find(self, frame: bytes, in_port: int) -> Optional[Flow]:
        """The rule of the highest priority that matches a frame."""
        if frame[12:15] != _PLAIN_IPV4 or len(frame) < _PLAIN_LENGTH:
            return self._match(self._fields_of(frame, in_port))
        key = in_port, frame[:_PLAIN_HEADERS]
        cache = self._cache
        if key in cache:
            return cache[key]
        flow = self._match(self._fields_of(frame, in_port))
        if len(self._flows) <= _MAX_CACHED_RULES:
            if len(cache) >= _MAX_CACHE:
                cache.clear()
            cache[key] = flow
        return flow

    def _fields_of(self, frame: bytes, in_port: int) -> Fields:
        fields = fields_of(frame, in_port)
        fields[METADATA] = self.metadata
        return fields

    def _match(self, fields: Fields) -> Optional[Flow]:
        for group in self._order:
            flow = group.flows.get(group.key(fields))
            if flow is not None:
                return flow
        return None

    def has_cookie(self, cookie: int) -> bool:
        """Whether a rule has this cookie."""
        return cookie in self._by_cookie

    def get(self, priority: int, match: Match) -> Optional[Flow]:
        """The rule with exactly this priority and match."""
        return self._flows.get((priority, match.fields))

    def put(self, flow: Flow) -> None:
        """Add a rule, in the place of an equal one if there is one."""
        key = flow.key
        before = self._flows.get(key)
        if before is not None:
            self.remove(before)
        if not self._flows:
            self._on_used(True)
        self._flows[key] = flow
        self._by_cookie.setdefault(flow.cookie, {})[flow] = None
        if flow.idle_timeout or flow.hard_timeout:
            self._schedule(flow)
        self._later(self._show, flow)

    def remove(self, flow: Flow) -> None:
        """Take a rule out."""
        del self._flows[flow.key]
        if not self._flows:
            self._on_used(False)
        same = self._by_cookie[flow.cookie]
        del same[flow]
        if not same:
            del self._by_cookie[flow.cookie]
        self._later(self._hide, flow)

    def _show(self, flow: Flow) -> None:
        """From now on packets meet a rule."""
        if self._cache:
            self._cache.clear()
        bits = tuple([(number, mask) for number, _, mask in flow.match.fields])
        group = self._groups.get((flow.priority, bits))
        if group is None:
            group = self._groups[flow.priority, bits] = _Group(flow.priority, bits)
            self._order = sorted(self._groups.values(), key=lambda each: -each.priority)
        group.flows[_group_key(flow)] = flow

    def _hide(self, flow: Flow) -> None:
        """From now on packets miss a rule that was there."""
        if self._cache:
            self._cache.clear()
        bits = tuple((number, mask) for number, _, mask in flow.match.fields)
        group = self._groups[flow.priority, bits]
        del group.flows[_group_key(flow)]
        if not group.flows:
            del self._groups[flow.priority, bits]
            self._order = sorted(self._groups.values(), key=lambda each: -each.priority)

    def expired(self, now: float) -> Iterator[tuple[Flow, bool]]:
        """The rules whose time is over, and whether that is the idle time; the caller removes each."""
        while self._looked_at <= now:
            for flow in self._timed.pop(self._looked_at, ()):
                if self._flows.get(flow.key) is not flow:
                    continue
                is_idle = bool(flow.idle_timeout) and now >= flow.used + flow.idle_timeout
                if is_idle or (flow.hard_timeout and now >= flow.installed + flow.hard_timeout):
                    yield flow, is_idle
                else:
                    self._schedule(flow)
            self._looked_at += 1

    def _schedule(self, flow: Flow) -> None:
        """Have :meth:`expired` look at a rule in the second in which its time may be over."""
        times = []
        if flow.idle_timeout:
            times.append(flow.used + flow.idle_timeout)
        if flow.hard_timeout:
            times.append(flow.installed + flow.hard_timeout)
        if not self._looked_at:
            self._looked_at = int(flow.installed)
        self._timed.setdefault(max(ceil(min(times)), self._looked_at + 1), []).append(flow)

    def select(self, match: Match, cookie: int, cookie_mask: int, masks_cover: bool = True) -> list[Flow]:
        """The rules that a non-strict request is about: whose match is ``match`` or narrower, and whose cookie fits.

        Without ``masks_cover``, a masked field is not narrowed by the same field without a mask.
        """
        flows: Iterable[Flow] = self._flows.values()
        if cookie_mask == _EXACT_COOKIE:
            flows = list(self._by_cookie.get(cookie, ()))
        if not match.fields:
            return [flow for flow in flows if flow.cookie & cookie_mask == cookie & cookie_mask]
        return [
            flow
            for flow in flows
            if flow.cookie & cookie_mask == cookie & cookie_mask and is_within(flow.match, match, masks_cover)
        ]


def _group_key(flow: Flow) -> object:
    found = tuple([value if mask is None else value & mask for _, value, mask in flow.match.fields])
    return found[0] if len(found) == 1 else found


def is_within(narrow: Match, wide: Match, masks_cover: bool = True) -> bool:
    """Whether every packet that matches ``narrow`` matches ``wide`` as well."""
    have = {number: (value, mask) for number, value, mask in narrow.fields}
    for number, value, mask in wide.fields:
        if number not in have:
            return False
        own, own_mask = have[number]
        if mask is None:
            if own_mask is not None or own != value:
                return False
        elif (
            (own_mask is None and not masks_cover)
            or (own_mask is not None and own_mask & mask != mask)
            or own & mask != value & mask
        ):
            return False
    return True
