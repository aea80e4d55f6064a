"""Reads the keys of session tags from a switch before it is served: they stand in rules (:mod:`.key_rules`).

::

    MASTER -> ask for all rules in table 0 that bear our mark
              -> rules of the purpose TAG_KEY  -> the keys that they hold
              -> standing rules without such ones  -> an earlier version served the switch: UNKEYED;
                                                      or its keys are lost, if one of those rules is younger than keys
              -> none, an error, or no reply       -> no keys
           -> serve, with the keys that result (:class:`ryu_haslb.slb.tag_keys.TagKeys`)
"""

from __future__ import annotations

from typing import Callable, Optional

from ryu_haslb.openflow.flow_tables.key_rules import (
    STANDING_COOKIES,
    holds_key,
    ignores_normal,
    key_number,
    keys_in,
    shows_key,
)
from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire.multipart import FlowStats, flow_stats, flow_stats_request, has_more
from ryu_haslb.openflow.wire.wire import MalformedMessage
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

#: Seconds without a part of the reply after which the switch is served without the keys of an earlier run.
REPLY_TIMEOUT = 5.0


class KeyReading:
    """Reads the memory rules of one switch, once.

    ``is_key_lost``: whether tags were hashed with a key there that the switch does not have any more.
    ``conclude`` is called with the keys, or None if the switch did not report them; and with the digest of the switch's
    description, if an earlier run has seen that the switch ignores NORMAL.
    """

    def __init__(
        self, channel: Channel, conclude: Callable[[Optional[list[bytes]], Optional[int]], None], now: float
    ) -> None:
        self._conclude = conclude
        self._xid: Optional[int] = channel.next_xid()
        self._heard_at = now
        self._rows: dict[object, FlowStats] = {}
        self._ignores_normal: Optional[int] = None
        self._was_keyed = False
        self.is_key_lost = False
        channel.transmit(flow_stats_request(self._xid, Table.CLASSIFIER, COOKIE_MARK, COOKIE_MARK_MASK))

    def on_reply(self, xid: int, message: bytes, now: float) -> bool:
        """Read a part of the reply. False when it is the reply to another request."""
        if xid != self._xid:
            return False
        self._heard_at = now
        try:
            for row in flow_stats(message):
                self._keep(row)
            if not has_more(message):
                self._end(is_whole=True)
        except MalformedMessage:
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
        self._was_keyed = self._was_keyed or shows_key(row)
        if row.cookie in STANDING_COOKIES:
            self._rows[None] = row
        elif ignores_normal(row) is not None:
            self._ignores_normal = ignores_normal(row)
        elif holds_key(row):
            number = key_number(row)
            if number is not None:
                self._rows[number] = row

    def _end(self, is_whole: bool = False) -> None:
        self._xid = None
        keys = keys_in(self._rows.values())
        self.is_key_lost = is_whole and self._was_keyed and not any(keys)
        self._conclude(keys if keys or is_whole else None, self._ignores_normal)
