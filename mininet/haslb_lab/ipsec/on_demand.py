"""A crypto map in force: charon with the configuration of the map, and associations negotiated as traffic needs them.

As on IOS, the side that has protected traffic and no association negotiates one. Until it is established the packets
are lost and counted. When charon dies it is started again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Optional

from haslb_lab.errors import ProgramError
from haslb_lab.ipsec import negotiation
from haslb_lab.ipsec.carried import Carried
from haslb_lab.ipsec.charon import Charon
from ryu_haslb.ipsec import charon as client
from ryu_haslb.ipsec.associations import IkeAssociation
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.translation import Translation

#: Seconds until the next attempt after a failed negotiation, the death of charon, or a closed event connection.
RETRY_INTERVAL = 1.0


class Ipsec:
    """The associations of a translation, kept by one charon.

    ``started`` is called after each start of charon, before any negotiation. ``changed`` is called with the names of
    the established associations whenever they change. An unexpected exception in a task cancels the task that called
    :meth:`open`, and :meth:`close` raises it.
    """

    def __init__(
        self,
        translation: Translation,
        charon: Charon,
        started: Callable[[], None] = lambda: None,
        changed: Callable[[frozenset[str]], None] = lambda _: None,
    ) -> None:
        self.established: frozenset[str] = frozenset()
        self.carried = Carried()
        self._translation = translation
        self._charon = charon
        self._vici = str(charon.vici)
        self._started = started
        self._changed = changed
        self._peers = {pair.name: tunnel.peer for tunnel in translation.tunnels for pair in tunnel.protected}
        self._failures: dict[str, str] = {}
        self._negotiations: dict[str, asyncio.Task[None]] = {}
        self._turns = {peer: asyncio.Lock() for peer in self._peers.values()}
        # One thread for each peer and one for events, so that peers that do not answer do not delay the others.
        self._threads = ThreadPoolExecutor(len(self._turns) + 1, "charon")
        self._tasks: set[asyncio.Task[None]] = set()
        self._node: Optional[asyncio.Task[Any]] = None  # between open and close
        self._failure: Optional[BaseException] = None
        self._life = 0  # counts the starts of charon: events of an earlier charon are ignored
        self._begins = False
        self._stale = asyncio.Event()
        self._news = asyncio.Condition()

    async def open(self) -> None:
        """Start charon and load the translation. Raises: ProgramError."""
        self._node = asyncio.current_task()
        await self._start()
        self._run(self._keep_alive())
        self._run(self._follow())

    async def close(self) -> None:
        """Stop charon and cancel all tasks. Raises: the unexpected exception of a task, if there was one."""
        self._node = None
        for task in self._tasks:
            task.cancel()
        await self._charon.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()  # at once: they all wait for charon, which has ended
        if self._failure is not None:
            raise self._failure

    # Requests of the node

    def begin(self) -> None:
        """Negotiate all associations without waiting for traffic, until all have been established together."""
        self._begins = True
        self._run(self._all_established())

    def need(self, association: str) -> None:
        """Negotiate an association that traffic needs, unless a negotiation is in progress or has just failed."""
        if association in self._negotiations or self._node is None:
            return
        task = self._run(self._negotiate(association))
        self._negotiations[association] = task
        task.add_done_callback(lambda _: self._done(association, task))

    async def wait(self, seconds: float) -> Optional[str]:
        """Wait until all associations are established; after :meth:`begin` also negotiate them.

        Returns None once they are, else the name of a missing one and the reason.
        """
        with suppress(CharonError):
            await self._refresh()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_established(), seconds)
        missing = self._missing()
        return f"{missing[0]}: {self._failures.get(missing[0], 'not negotiated yet')}" if missing else None

    async def associations(self) -> list[IkeAssociation]:
        """All associations. Raises: CharonError."""
        return await asyncio.to_thread(client.associations, self._vici)

    async def clear_ipsec(self) -> int:
        """End all IPsec associations. Returns their number. Raises: CharonError."""
        number = await asyncio.to_thread(client.clear_ipsec, self._vici)
        await self.clear_carried()
        return number

    async def clear_isakmp(self) -> int:
        """End all IKE associations, and so all IPsec ones. Returns the number of the former. Raises: CharonError."""
        return await asyncio.to_thread(client.clear_isakmp, self._vici)

    async def clear_carried(self) -> None:
        """Set the counters of ended associations to zero. Raises: CharonError."""
        await self._refresh()
        self.carried.clear()

    # Life of charon

    async def _start(self) -> None:
        await self._charon.start()
        try:
            await asyncio.to_thread(client.load, self._vici, self._translation)
            self._started()
        except (CharonError, OSError) as error:
            await self._charon.stop()
            raise ProgramError(str(error)) from None
        self._run(self._receive_events(self._life))

    async def _keep_alive(self) -> None:
        """Start charon again when it dies, and negotiate what was established, so that the peers drop the old ones."""
        lost: frozenset[str] = frozenset()
        while True:
            status = await self._charon.wait()
            self._life += 1
            lost |= self.established
            self.carried.on_charon_ended()
            await self._publish(frozenset())
            print(f"charon ended with status {status}; starting it again", file=sys.stderr, flush=True)
            await asyncio.sleep(RETRY_INTERVAL)
            try:
                await self._start()
            except OSError as error:
                print(error, file=sys.stderr, flush=True)
                continue
            for task in self._negotiations.values():
                task.cancel()  # it was a conversation with the dead charon
            self._negotiations.clear()
            for association in lost:
                self.need(association)
            lost = frozenset()

    def _run(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the node if a task has failed: otherwise the node would run without keeping its associations."""
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and self._failure is None and self._node is not None:
            self._failure = failure
            self._node.cancel()

    async def _receive_events(self, life: int) -> None:
        """Receive charon's events until it ends; connect again when it closes the connection."""
        loop = asyncio.get_running_loop()
        while life == self._life:
            await loop.run_in_executor(self._threads, self._listen, loop, life)
            await asyncio.sleep(RETRY_INTERVAL)

    def _listen(self, loop: asyncio.AbstractEventLoop, life: int) -> None:
        """Receive charon's events until it closes the connection. Runs in a thread."""
        with suppress(CharonError):
            for told in negotiation.events(self._vici):
                loop.call_soon_threadsafe(self._on_event, told, life)

    def _on_event(self, associations: list[IkeAssociation], life: int) -> None:
        if life == self._life:
            self.carried.on_event(associations)
            self._stale.set()

    # Associations

    async def _negotiate(self, association: str) -> None:
        peer = self._peers[association]
        async with self._turns[peer]:  # charon would use the first of several negotiations with a peer for all of them
            with suppress(CharonError):
                await self._refresh()  # it may have been established since the last list
            if association in self.established:
                return
            loop = asyncio.get_running_loop()
            failure = await loop.run_in_executor(self._threads, negotiation.negotiate, self._vici, association, peer)
        self._stale.set()
        if failure is None:
            return
        if failure != self._failures.get(association):
            print(f"{association}: {failure}", file=sys.stderr, flush=True)
        self._failures[association] = failure
        await asyncio.sleep(RETRY_INTERVAL)

    def _done(self, association: str, task: asyncio.Task[None]) -> None:
        if self._negotiations.get(association) is task:
            del self._negotiations[association]

    async def _follow(self) -> None:
        """List the associations after each event, and after a while without events."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            with suppress(CharonError):  # it is ending, or busy; the next event causes another attempt
                await self._refresh()

    async def _refresh(self) -> None:
        life = self._life
        listed = await self.associations()
        if life != self._life:
            return
        self.carried.on_list(listed)
        carrying = frozenset(child.name for each in listed for child in each.children if child.is_installed)
        await self._publish(carrying & self._peers.keys())

    async def _publish(self, established: frozenset[str]) -> None:
        for association in established:
            self._failures.pop(association, None)
        if established != self.established:
            self.established = established
            self._changed(established)
        async with self._news:
            self._news.notify_all()

    async def _all_established(self) -> None:
        async with self._news:
            while missing := self._missing():
                for association in missing if self._begins else ():
                    self.need(association)
                await self._news.wait()

    def _missing(self) -> list[str]:
        return [name for name in self._peers if name not in self.established]
