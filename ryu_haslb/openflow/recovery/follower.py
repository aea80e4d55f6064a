"""What a member that stands by follows of one switch: its session rules, and the keys of their tags.

Theory of operation
===================

When this member is to serve the switch, it must have every session at once. So it reads the session rules in slices
(:mod:`.rule_reading`), while ONF's flow monitor reports what changes meanwhile and from then on. All messages come over
one connection, in the order in which the switch made them: the last one about a rule is right.

:data:`.FOLLOWER_TRANSITIONS` has the states; ``docs/states.md`` is drawn from it. A member that has just connected
follows at once, a former leader after :data:`START_INTERVAL`, and one that has failed to after :data:`RETRY_INTERVAL`.
A switch without a flow monitor is read again every :data:`POLL_INTERVAL`; the rules of the last reading stay until
then.

Only in the state FOLLOWING the view is *current*: at takeover nothing is read. In the other states the switch is read
again at takeover, and what was followed serves until then (:meth:`.Recovery.take_over`).

The lag is the time until a barrier is answered, since its reply comes after all changes that were made before it. While
the monitor is paused, it is the time since then; without a monitor, the age of the last reading.
"""

from __future__ import annotations

import logging
from typing import Optional

from ryu_haslb.openflow.flow_tables.pipeline import MEMORY_COOKIES, PURPOSE_MASK, Table
from ryu_haslb.openflow.recovery.follower_states import FOLLOWER_TRANSITIONS, Followed, FollowerEvent, FollowerState
from ryu_haslb.openflow.recovery.rule_reading import Pace, RuleReading
from ryu_haslb.openflow.recovery.session_view import Budget, SessionView
from ryu_haslb.openflow.sessions.tag_key_reading import KeyReading
from ryu_haslb.openflow.sockets.channel import Channel
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_monitor import (
    ONF_ET_FLOW_MONITOR_PAUSED,
    ONFFME_DELETED,
    ONFFMF_ACTIONS,
    ONFFMF_ADD,
    ONFFMF_DELETE,
    ONFFMF_MODIFY,
    flow_monitor_cancel,
    flow_monitor_request,
    flow_updates,
    is_flow_monitor_reply,
    read_monitor_notice,
)
from ryu_haslb.openflow.wire.wire import MalformedMessage

LOG = logging.getLogger(__name__)

#: Seconds until a former leader reads the rules: the switch has just got a new one.
START_INTERVAL = 1.0
#: Seconds after a failure until the rules are read again.
RETRY_INTERVAL = 10.0
#: Seconds between two readings of a switch without a flow monitor, and the same as a multiple of what one took.
POLL_INTERVAL = 10.0
_POLL_PAUSE = 10.0
#: Seconds between two measurements of the lag.
LAG_INTERVAL = 1.0
#: The leader's requests have precedence: small slices, some 20 ms of work for the switch, and long pauses.
PACE = Pace(slice_rules=4096, pause=4.0, max_pause=2.0)
_CLASSIFIER = Table.CLASSIFIER.value
_CHANGES = ONFFMF_ADD | ONFFMF_DELETE | ONFFMF_MODIFY


class Follower:
    """Follows one switch over one connection. ``budget`` is that of the followers of all switches.

    ``has_monitor``: whether the switch has a flow monitor; None while that is not known.
    """

    def __init__(self, datapath_id: int, channel: Channel, budget: Budget) -> None:
        self.state = FollowerState.OFF
        self._datapath_id = datapath_id
        self._channel = channel
        self._budget = budget
        self._view = SessionView(budget)
        self._fresh = self._view  # the view that rows are read into
        self._keys: list[bytes] = []
        self._ignores_normal: Optional[int] = None
        self._key_reading: Optional[KeyReading] = None
        self._are_keys_stale = False
        self._reading: Optional[RuleReading] = None
        self.has_monitor: Optional[bool] = None
        self._monitors: dict[int, int] = {}  # by the transaction ids of the requests
        self._unconfirmed: set[int] = set()
        self._last_monitor = 0
        self._next_at = self._began_at = self._read_at = 0.0
        self._paused_at: Optional[float] = None
        self._barrier: Optional[int] = None
        self._asked_at = self._lag = 0.0
        self._now = 0.0
        self._has_failed = False

    @property
    def sessions(self) -> int:
        """The number of session rules that are followed."""
        return len(self._view.rules)

    @property
    def is_current(self) -> bool:
        """Whether all session rules are followed, as they are on the switch."""
        return self.state is FollowerState.FOLLOWING

    @property
    def has_read(self) -> bool:
        """Whether the switch has rules of ours, which have been read."""
        is_read = self.state in (FollowerState.FOLLOWING, FollowerState.PAUSED, FollowerState.POLLING)
        return is_read and bool(self._keys)

    @property
    def lag(self) -> Optional[float]:
        """Seconds by which the view may be behind the switch; None while nothing is followed."""
        now = self._now
        if self.state is FollowerState.POLLING:
            return now - self._read_at
        if self.state not in (FollowerState.FOLLOWING, FollowerState.PAUSED):
            return None
        behind = [self._lag]
        if self._barrier is not None:
            behind.append(now - self._asked_at)
        if self._paused_at is not None:
            behind.append(now - self._paused_at)
        return max(behind)

    def begin(self, was_leading: bool, now: float) -> None:
        """This member stands by: follow the switch."""
        if self.state is FollowerState.OFF:
            self._move(FollowerEvent.BEGIN)
            self._next_at = now + (START_INTERVAL if was_leading else 0.0)

    def conclude(self) -> Optional[Followed]:
        """This member serves the switch, or the connection is left: what was followed, or None if that is nothing."""
        followed = None
        if self.state not in (FollowerState.OFF, FollowerState.WAITING):
            view = self._view
            keys = [] if self._are_keys_stale else self._keys
            followed = Followed(view.rules, view.targets, keys, self.is_current, self._ignores_normal)
        self._stop()
        self._move(FollowerEvent.CONCLUDED)
        return followed

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        if self.state is FollowerState.OFF:
            return
        if self._key_reading is not None:
            self._key_reading.tick(now)
        if self._reading is not None:
            if self._reading.advance(False, now):
                self._request(self._reading, now)
        elif self.state is FollowerState.WAITING and now >= self._next_at:
            self._start(now)
        elif self.state is FollowerState.POLLING and now >= self._next_at:
            self._read(SessionView(self._budget), now)
        self._check_limit(now)
        is_monitored = self.state in (FollowerState.FOLLOWING, FollowerState.PAUSED)
        if is_monitored and self._barrier is None and now >= self._asked_at + LAG_INTERVAL:
            self._barrier, self._asked_at = self._channel.next_xid(), now
            self._channel.transmit(wire.barrier_request(self._barrier))

    def on_message(self, kind: int, xid: int, message: bytes, now: float) -> bool:
        """Handle a message that concerns what is followed. False when it is another."""
        self._now = now
        if self.state is FollowerState.OFF:
            return False
        if kind == wire.OFPT_MULTIPART_REPLY:
            return self._on_multipart_reply(xid, message, now)
        if kind == wire.OFPT_EXPERIMENTER:
            return self._on_notice(read_monitor_notice(message), now)
        if kind == wire.OFPT_BARRIER_REPLY and xid == self._barrier:
            self._barrier, self._lag = None, now - self._asked_at
            return True
        return False

    def on_error(self, xid: int, error: wire.Error, now: float) -> bool:
        """Handle an error. False when it does not concern what is followed."""
        if xid in self._monitors:
            del self._monitors[xid]
            self.has_monitor = False
            return True
        if self._key_reading is not None and self._key_reading.on_error(xid):
            return True
        return self._reading is not None and self._continue(self._reading.on_error(xid, error, now), now)

    def _move(self, event: FollowerEvent) -> None:
        self.state = FOLLOWER_TRANSITIONS.get((self.state, event), self.state)

    def _start(self, now: float) -> None:
        self._move(FollowerEvent.DUE)
        self._paused_at = None
        if self.has_monitor is not False:
            for table, flags in ((Table.SESSIONS, _CHANGES | ONFFMF_ACTIONS), (Table.CLASSIFIER, _CHANGES)):
                xid = self._channel.next_xid()
                self._last_monitor += 1
                self._monitors[xid] = self._last_monitor
                self._unconfirmed.add(xid)
                self._channel.transmit(flow_monitor_request(xid, self._last_monitor, table, flags))
        self._read(self._view, now)

    def _read(self, view: SessionView, now: float) -> None:
        self._fresh, self._began_at = view, now
        self._reading = RuleReading(self._datapath_id, lambda row, _: view.put(row), self._on_read, PACE)
        self._request(self._reading, now)
        self._read_keys(now)

    def _request(self, reading: RuleReading, now: float) -> None:
        self._channel.transmit(reading.request(self._channel.next_xid(), now))

    def _continue(self, is_next_due: Optional[bool], now: float) -> bool:
        if is_next_due and self._reading is not None:
            self._request(self._reading, now)
        return is_next_due is not None

    def _on_read(self, reason: str, now: float) -> None:
        """All rules have been read, or reading was given up."""
        self._reading = None
        if reason:
            self._fail(reason, now)
            return
        self.has_monitor = not self._unconfirmed and self.has_monitor is not False
        if self._fresh is not self._view:
            self._view.end()
        self._view, self._read_at, self._has_failed = self._fresh, self._began_at, False
        if self.has_monitor:
            self._move(FollowerEvent.READ if self._paused_at is None else FollowerEvent.READ_PAUSED)
        else:
            self._move(FollowerEvent.READ_UNMONITORED)
            self._next_at = now + max(POLL_INTERVAL, _POLL_PAUSE * (now - self._began_at))
        self._check_limit(now)

    def _read_keys(self, now: float) -> None:
        """Read the keys; once more later if that is under way."""
        self._are_keys_stale = self._key_reading is not None
        if self._key_reading is None:
            self._key_reading = KeyReading(self._channel, self._on_keys, now)

    def _on_keys(self, keys: Optional[list[bytes]], ignores_normal: Optional[int]) -> None:
        self._keys, self._ignores_normal, self._key_reading = keys or [], ignores_normal, None
        if self._are_keys_stale:
            self._read_keys(self._now)

    def _on_multipart_reply(self, xid: int, message: bytes, now: float) -> bool:
        if is_flow_monitor_reply(message):
            self._unconfirmed.discard(xid)
            if self.state is not FollowerState.WAITING:
                self._on_updates(message, now)
            return True
        if self._key_reading is not None and self._key_reading.on_reply(xid, message, now):
            return True
        if self._reading is None or not self._continue(self._reading.on_reply(xid, message, now), now):
            return False
        self._check_limit(now)
        return True

    def _on_updates(self, message: bytes, now: float) -> None:
        view = self._view
        try:
            for event, rule in flow_updates(message):
                if rule.table == _CLASSIFIER:
                    if rule.cookie & PURPOSE_MASK in MEMORY_COOKIES:
                        self._read_keys(now)
                elif event == ONFFME_DELETED:
                    view.remove(rule)
                else:
                    view.put(rule)
        except MalformedMessage as error:
            self._fail(f"sent a malformed flow update ({error})", now)
        self._check_limit(now)

    def _on_notice(self, notice: int, now: float) -> bool:
        if not notice:
            return False
        is_pause = notice == ONF_ET_FLOW_MONITOR_PAUSED
        self._paused_at = now if is_pause else None
        self._move(FollowerEvent.PAUSED if is_pause else FollowerEvent.RESUMED)
        return True

    def _check_limit(self, now: float) -> None:
        if self._view.is_exceeded or self._fresh.is_exceeded:
            self._fail(f"has too many session rules (more than {self._budget.limit} with other switches)", now)

    def _fail(self, reason: str, now: float) -> None:
        """Begin anew after a while. A switch that goes on like this is reported once."""
        if not self._has_failed:
            self._has_failed = True
            LOG.warning(
                "Switch %016x %s; this standby follows it anew in %g s, and reads it if it takes over before",
                *(self._datapath_id, reason, RETRY_INTERVAL),
            )
        self._stop()
        self._move(FollowerEvent.FAILED)
        self._next_at = now + RETRY_INTERVAL

    def _stop(self) -> None:
        """Follow nothing: end the monitors, and forget what was followed."""
        for monitor in self._monitors.values():
            self._channel.transmit(flow_monitor_cancel(self._channel.next_xid(), monitor))
        self._monitors.clear()
        self._unconfirmed.clear()
        if self._key_reading is not None:
            self._key_reading.cancel()
        self._key_reading = self._reading = self._barrier = None
        self._keys, self._ignores_normal, self._are_keys_stale = [], None, False
        self._view.end()
        self._fresh.end()
        self._view = self._fresh = SessionView(self._budget)
