"""Waits for the switch that is to be tested, among all that connect to the port."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Callable, NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.wording import printable
from ryu_haslb.openflow.sockets.screening import State
from ryu_haslb.openflow.sockets.unserved_connections import HANDSHAKE_TIMEOUT, Unserved
from ryu_haslb.openflow.wire.errors import IncompatibleVersionError, ProtocolError
from ryu_haslb.openflow.wire.wire import MalformedMessage, hello_failed
from ryu_haslb.switch_test.bench import Identity
from ryu_haslb.switch_test.handshake import Handshake
from ryu_haslb.switch_test.link import Link, LinkClosedError, Time

#: Connections whose handshake is not complete, at most.
MAX_PENDING = 64
#: Lines about peers that are not tested, at most.
MAX_REFUSAL_LINES = 50
#: Seconds after which a stop is noticed.
STOP_INTERVAL = 0.2


class ListenError(HaslbError):
    """The port cannot be listened at."""


class StoppedError(HaslbError):
    """The operator has asked for the end of the test."""


class Connected(NamedTuple):
    """A switch whose handshake is complete."""

    link: Link
    identity: Identity


class _Pending(NamedTuple):
    link: Link
    handshake: Handshake


class Listener:
    """Listens at an address. ``log`` gets what the operator should read; ``is_stopped`` ends each waiting.

    ``time`` is that of the whole test.
    """

    def __init__(
        self,
        address: tuple[str, int],
        context: Optional[ssl.SSLContext],
        log: Callable[[str], None],
        is_stopped: Callable[[], bool] = lambda: False,
        time: Optional[Time] = None,
    ) -> None:
        self.time = time or Time()
        self._context = context
        self._log = log
        self._is_stopped = is_stopped
        self._pending: Unserved[_Pending] = Unserved(MAX_PENDING, MAX_PENDING)
        self._refusals = 0
        self._socket = _listen(address)

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """End everything."""
        self._drop_pending()
        self._socket.close()

    def await_switch(self, seconds: float, datapath_id: Optional[int] = None) -> Optional[Connected]:
        """The next switch, or the next connection of this one; None when none has come in time.

        Raises:
            StoppedError: the operator has stopped the test.
        """
        deadline = self.time.now() + seconds
        while self.time.now() < deadline:
            if self._is_stopped():
                raise StoppedError("interrupted")
            links = [each.link for each in self._pending]
            unsent = [each for each in links if each.has_unsent]
            self.time.wait([self._socket, *links], unsent, min(STOP_INTERVAL, deadline - self.time.now()))
            self._accept()
            for found in self._advance():
                if datapath_id is None or found.identity.datapath_id == datapath_id:
                    self._drop_pending()
                    return found
                self._report(f"switch {found.identity.datapath_id:016x} connected, which is not tested; closed")
                found.link.close()
        return None

    def _accept(self) -> None:
        for _ in range(MAX_PENDING):
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            self._add(connection, str(address[0]))

    def _add(self, connection: socket.socket, address: str) -> None:
        link = Link(connection, address, self._context)
        victim = self._pending.add(_Pending(link, Handshake()), address, self.time.now())
        if victim is not None:
            self._refuse(victim, LinkClosedError("too many connections"))
        with suppress(LinkClosedError):
            link.send(Handshake.begin())

    def _advance(self) -> Iterator[Connected]:
        """Go on with every handshake; the switches whose handshake is complete."""
        for each in list(self._pending):
            try:
                is_done = _follow(each)
            except (LinkClosedError, ProtocolError, MalformedMessage) as error:
                self._refuse(each, error)
                continue
            if is_done:
                self._pending.discard(each)
                each.link.trust()
                yield Connected(each.link, _identity(each))
        for each in self._pending.expired(self.time.now()):
            self._refuse(each, LinkClosedError(f"no OpenFlow handshake within {HANDSHAKE_TIMEOUT:g} s"))

    def _refuse(self, pending: _Pending, error: HaslbError) -> None:
        self._pending.discard(pending)
        if isinstance(error, IncompatibleVersionError):
            with suppress(LinkClosedError):
                pending.link.send(hello_failed(str(error)))
        pending.link.close()
        self._report(f"peer {pending.link.address}: {error}; connection closed")

    def _report(self, refusal: str) -> None:
        self._refusals += 1
        if self._refusals <= MAX_REFUSAL_LINES:
            last = " (further such lines are left out)" if self._refusals == MAX_REFUSAL_LINES else ""
            self._log(printable(refusal) + last)

    def _drop_pending(self) -> None:
        for each in list(self._pending):
            self._pending.discard(each)
            each.link.close()


def _follow(pending: _Pending) -> bool:
    """Handle what has arrived; whether the handshake is complete."""
    for frame in pending.link.receive():
        pending.link.send(pending.handshake.on_message(*frame))
    return pending.handshake.state is State.MAIN


def _identity(pending: _Pending) -> Identity:
    features, link = pending.handshake.features, pending.link
    assert features is not None
    return Identity(features.datapath_id, features.tables, pending.handshake.ports, link.address, link.is_tls)


def _listen(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(MAX_PENDING)
    except OSError as error:
        listening.close()
        raise ListenError(
            f"cannot listen at {address[0]} port {address[1]}: {error.strerror}; "
            "does a balancer run here? Stop it, or name another address with --listen"
        ) from error
    listening.setblocking(False)
    return listening
