"""Carries out the test of one switch over its connections, and removes what it has made, also after an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.sockets.screening import State, screen
from ryu_haslb.openflow.wire.errors import ProtocolError
from ryu_haslb.switch_test.bench import Bench, Identity
from ryu_haslb.switch_test.examination import Examination
from ryu_haslb.switch_test.exchange import Conversation
from ryu_haslb.switch_test.link import LinkClosedError
from ryu_haslb.switch_test.listener import STOP_INTERVAL, Connected, Listener, StoppedError

#: Seconds for the removal after an interruption, in all.
INTERRUPTED_REMOVAL_TIMEOUT = 20.0


class PortError(HaslbError):
    """The ports of ``--ports`` are not ports of the switch."""


class Ended(NamedTuple):
    """The test and its remarks; ``is_stopped`` says that the operator has ended it."""

    examination: Examination
    remarks: list[str]
    is_stopped: bool


class Line:
    """The connection to the switch: over one link, and over the next one when that has ended."""

    def __init__(self, listener: Listener, connected: Connected, is_stopped: Callable[[], bool]) -> None:
        self._listener = listener
        self.time = listener.time
        self._link = connected.link
        self._datapath_id = connected.identity.datapath_id
        self._is_stopped = is_stopped

    def stop_when(self, is_stopped: Callable[[], bool]) -> None:
        """From now on, something else stops it."""
        self._is_stopped = is_stopped

    def carry_out(self, conversation: Conversation[Any], deadline: float = float("inf")) -> None:
        """Run a conversation to its end.

        Raises:
            StoppedError: the operator has stopped the test, or the deadline is over.
        """
        conversation.start(self.time.now())
        while not conversation.is_done:
            if self._is_stopped() or self.time.now() >= deadline:
                raise StoppedError("interrupted")
            if conversation.awaits_connection:
                self._reconnect(conversation)
            else:
                self._exchange(conversation)

    def close(self) -> None:
        """End the connection."""
        self._link.close()

    def _exchange(self, conversation: Conversation[Any]) -> None:
        try:
            self._link.send(conversation.take_outgoing())
            seconds = min(STOP_INTERVAL, conversation.deadline - self.time.now())
            self.time.wait([self._link], [self._link] if self._link.has_unsent else [], seconds)
            now = self.time.now()  # taken before reading: what is not read is late
            for frame in self._link.receive():
                screen(State.MAIN, frame.version, frame.kind, frame.data)
                conversation.on_message(frame.kind, frame.xid, frame.data, now)
            conversation.tick(now)
        except (LinkClosedError, ProtocolError) as error:
            self._link.close()
            conversation.on_lost(str(error), self.time.now())

    def _reconnect(self, conversation: Conversation[Any]) -> None:
        self._link.close()
        connected = self._listener.await_switch(conversation.deadline - self.time.now(), self._datapath_id)
        now = self.time.now()
        if connected is None:
            conversation.tick(now)
        else:
            self._link = connected.link
            conversation.on_connected(now)


def examine(  # noqa: PLR0913, PLR0917 - each is an option of the operator
    listener: Listener,
    connected: Connected,
    cable: Optional[Sequence[str]],
    fill: Optional[int],
    progress: Callable[[float, str], None],
    stops: Callable[[], int],
) -> Ended:
    """Test a switch that has connected. ``stops`` is how often the operator has asked for the end.

    Raises:
        PortError: the switch has no such ports.
    """
    bench = Bench(connected.identity, cable=None if cable is None else _ports(connected.identity, cable))
    examination = Examination(bench, fill, progress)
    line = Line(listener, connected, lambda: stops() > 0)
    conversation = Conversation(examination.script(), lambda: bench.settling_time)
    try:
        line.carry_out(conversation)
        return Ended(examination, conversation.remarks, False)
    except StoppedError:
        examination.progress(1.0, "interrupted; removing what the test has made")
        examination.stop()
        _remove(line, examination, stops)
        return Ended(examination, conversation.remarks, True)
    finally:
        line.close()


def _remove(line: Line, examination: Examination, stops: Callable[[], int]) -> None:
    """Remove what the test has made, unless the operator asks again for the end."""
    begun_with = stops()
    line.stop_when(lambda: stops() > begun_with)
    try:
        line.carry_out(Conversation(examination.removal()), line.time.now() + INTERRUPTED_REMOVAL_TIMEOUT)
    except StoppedError:
        examination.findings.left = None


def _ports(identity: Identity, names: Sequence[str]) -> tuple[int, int]:
    """The numbers of two ports, each given by its number or its name."""
    numbers = {name: number for number, name in identity.ports.items()}
    found: list[int] = []
    for each in names:
        number = int(each) if each.isdigit() else numbers.get(each)
        if number is None or number not in identity.ports:
            known = ", ".join(f"{port} ({name})" for port, name in sorted(identity.ports.items()))
            raise PortError(f"--ports: the switch has no port {each}; it has {known or 'none'}")
        found.append(number)
    return found[0], found[1]
