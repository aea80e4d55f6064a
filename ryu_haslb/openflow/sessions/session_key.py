"""The keys of session tags on a switch: how they are written there, and read before the switch is served.

A key stands in the cookies of standing rules that match no packet, since metadata is 0 in table 0, or since no frame
has their source (:func:`.without_metadata`): three rules for each key, which hold 24 bits each. They are installed,
audited and retired as all other standing rules are::

    MASTER -> ask for all rules in table 0 that bear our mark
              -> rules of the purpose SESSION_KEY  -> the keys that they hold
              -> standing rules without such ones  -> an earlier version served the switch: UNKEYED
              -> none, an error, or no reply       -> no keys
           -> serve, with the keys that result (:class:`ryu_haslb.slb.session_keys.SessionKeys`)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable, Optional

from ryu_haslb.openflow.pipeline import SESSION_KEY_MASK, Purpose, Rule, Table, without_metadata
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import MalformedMessage
from ryu_haslb.openflow.wire_flow_mod import match_fields
from ryu_haslb.openflow.wire_multipart import FlowStats, canonical_match, flow_stats, flow_stats_request, has_more
from ryu_haslb.slb.session import COOKIE_MARK, COOKIE_MARK_MASK, UNKEYED
from ryu_haslb.slb.session_keys import MAX_KEYS

#: Seconds without a part of the reply after which the switch is served without the keys of an earlier run.
REPLY_TIMEOUT = 5.0

_PART_LENGTH, _PARTS = 3, 3
#: Bytes of a key.
KEY_LENGTH = _PART_LENGTH * _PARTS
#: The metadata that the first rule of the first key matches; the others count on. The lease has the one before.
_FIRST_METADATA = COOKIE_MARK + 1
_MARKS = range(_FIRST_METADATA, _FIRST_METADATA + MAX_KEYS * _PARTS)
#: The metadata of the rule with each match, which has another form on a switch that does not match metadata.
_METADATA_OF = {
    canonical_match(match_fields(form)): metadata
    for metadata in _MARKS
    for form in ({"metadata": metadata}, without_metadata({"metadata": metadata}))
}
#: Standing rules have no tag and no holder in their cookies. PASS_OTHER is left out: it stays when a switch is retired.
_STANDING_COOKIES = frozenset(purpose.cookie for purpose in Purpose if purpose is not Purpose.PASS_OTHER)


def key_rules(keys: Iterable[bytes]) -> Iterator[Rule]:
    """The standing rules that hold these keys; none if no tag is hashed with a key."""
    keys = list(keys)
    if keys[:1] == [UNKEYED]:
        return
    for number, key in enumerate(keys):
        padded = key.ljust(KEY_LENGTH, b"\0")
        for part in range(_PARTS):
            data = int.from_bytes(padded[part * _PART_LENGTH : (part + 1) * _PART_LENGTH], "big")
            yield Rule(Purpose.SESSION_KEY, {"metadata": _FIRST_METADATA + number * _PARTS + part}, data=data)


def keys_in(rows: Iterable[FlowStats]) -> list[bytes]:
    """The keys that the rules of table 0 hold, the newest first. An incomplete key is left out."""
    parts: dict[int, bytes] = {}
    has_standing_rules = False
    for row in rows:
        has_standing_rules = has_standing_rules or row.cookie in _STANDING_COOKIES
        if row.cookie & SESSION_KEY_MASK == Purpose.SESSION_KEY.cookie:
            parts[_METADATA_OF.get(canonical_match(row.match), 0)] = (row.cookie >> 32).to_bytes(_PART_LENGTH, "big")
    if not parts:
        return [UNKEYED] if has_standing_rules else []
    keys = []
    for first in _MARKS[::_PARTS]:
        if all(first + part in parts for part in range(_PARTS)):
            key = b"".join(parts[first + part] for part in range(_PARTS))
            keys.append(key if any(key) else UNKEYED)
    return keys


class KeyReading:
    """Asks one switch for its keys, once; ``conclude`` is called with them."""

    def __init__(self, channel: Channel, conclude: Callable[[list[bytes]], None], now: float) -> None:
        self._conclude = conclude
        self._xid: Optional[int] = channel.next_xid()
        self._heard_at = now
        self._rows: dict[object, FlowStats] = {}
        channel.transmit(flow_stats_request(self._xid, Table.CLASSIFIER, COOKIE_MARK, COOKIE_MARK_MASK))

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of the reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        self._heard_at = now
        try:
            for row in flow_stats(message):
                self._keep(row)
            if has_more(message):
                return True
        except MalformedMessage:
            pass
        self._end()
        return True

    def on_error(self, xid: int) -> bool:
        """The switch rejects the request. False when it is another one."""
        if xid != self._xid:
            return False
        self._end()
        return True

    def tick(self, now: float) -> None:
        """Go on without a reply when its time is over."""
        if self._xid is not None and now > self._heard_at + REPLY_TIMEOUT:
            self._end()

    def cancel(self) -> None:
        """The switch is not to be served after all."""
        self._xid = None

    def _keep(self, row: FlowStats) -> None:
        """Keep a row that shows a key, or that there are standing rules: one of each, as a reply may go on for ever."""
        if row.cookie in _STANDING_COOKIES:
            self._rows[None] = row
        elif row.cookie & SESSION_KEY_MASK == Purpose.SESSION_KEY.cookie:
            metadata = _METADATA_OF.get(canonical_match(row.match))
            if metadata is not None:
                self._rows[metadata] = row

    def _end(self) -> None:
        self._xid = None
        self._conclude(keys_in(self._rows.values()))
