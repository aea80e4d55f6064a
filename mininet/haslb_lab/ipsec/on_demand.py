"""A crypto map in force: charon with what the map asks for, and associations as traffic needs them.

As on IOS an association is negotiated when protected traffic finds none, by whichever side has the traffic; the packets
meanwhile are lost and counted. A charon that dies is started again.
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

#: Seconds between a negotiation that failed, a charon that died or one that hung up, and the next.
RETRY_INTERVAL = 1.0


class Ipsec:
    """The associations of a translation, kept by one charon. ``started`` is called whenever charon has come up, before
    anything is negotiated; ``changed`` gets the names of the associations that are up, whenever they change. What
    nobody expects cancels the task that has opened it, and is raised by ``close``."""

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
        # Of its own, and one for each peer and for listening: the peers that do not answer keep nobody else waiting.
        self._threads = ThreadPoolExecutor(len(self._turns) + 1, "charon")
        self._tasks: set[asyncio.Task[None]] = set()
        self._node: Optional[asyncio.Task[Any]] = None  # between open and close
        self._failure: Optional[BaseException] = None
        self._life = 0  # which charon it is: what an earlier one has said counts no more
        self._begins = False
        self._stale = asyncio.Event()
        self._news = asyncio.Condition()

    async def open(self) -> None:
        """Start charon and load the translation. Raises OSError with a text for people."""
        self._node = asyncio.current_task()
        await self._start()
        self._run(self._keep_alive())
        self._run(self._follow())

    async def close(self) -> None:
        """End charon and whatever is under way. Raises what a task has failed with."""
        self._node = None
        for task in self._tasks:
            task.cancel()
        await self._charon.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()  # at once: they all wait for charon, which has ended
        if self._failure is not None:
            raise self._failure

    # What the node asks for

    def begin(self) -> None:
        """Negotiate all associations until they have been up together, without waiting for traffic."""
        self._begins = True
        self._run(self._all_established())

    def need(self, association: str) -> None:
        """Negotiate an association that traffic asks for, unless that is under way or has just failed."""
        if association in self._negotiations or self._node is None:
            return
        task = self._run(self._negotiate(association))
        self._negotiations[association] = task
        task.add_done_callback(lambda _: self._done(association, task))

    async def wait(self, seconds: float) -> Optional[str]:
        """Wait until all associations are up, and negotiate them if this node is to begin. None once they are, else
        what stands in the way of one that is not."""
        with suppress(CharonError):
            await self._look()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_established(), seconds)
        missing = self._missing()
        return f"{missing[0]}: {self._failures.get(missing[0], 'not negotiated yet')}" if missing else None

    async def associations(self) -> list[IkeAssociation]:
        """All associations. Raises CharonError."""
        return await asyncio.to_thread(client.associations, self._vici)

    async def clear_ipsec(self) -> int:
        """End the associations of IPsec; how many they were. Raises CharonError."""
        number = await asyncio.to_thread(client.clear_ipsec, self._vici)
        await self.clear_carried()
        return number

    async def clear_isakmp(self) -> int:
        """End those of IKE as well; how many these were. Raises CharonError."""
        return await asyncio.to_thread(client.clear_isakmp, self._vici)

    async def clear_carried(self) -> None:
        """Forget what associations carried that are gone. Raises CharonError."""
        await self._look()
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
        self._run(self._hear(self._life))

    async def _keep_alive(self) -> None:
        """Start charon again when it dies; what was up is negotiated again, which tells the peers to forget it."""
        lost: frozenset[str] = frozenset()
        while True:
            status = await self._charon.wait()
            self._life += 1
            lost |= self.established
            self.carried.ended()
            await self._publish(frozenset())
            print(f"charon ended with status {status}; starting it again", file=sys.stderr, flush=True)
            await asyncio.sleep(RETRY_INTERVAL)
            try:
                await self._start()
            except OSError as error:
                print(error, file=sys.stderr, flush=True)
                continue
            for task in self._negotiations.values():
                task.cancel()  # they were with the dead one
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
        """End the node if a task has failed: half of it would look alive, and keep no association."""
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and self._failure is None and self._node is not None:
            self._failure = failure
            self._node.cancel()

    async def _hear(self, life: int) -> None:
        """Listen to charon for as long as it lives, however often it hangs up."""
        loop = asyncio.get_running_loop()
        while life == self._life:
            await loop.run_in_executor(self._threads, self._listen, loop, life)
            await asyncio.sleep(RETRY_INTERVAL)

    def _listen(self, loop: asyncio.AbstractEventLoop, life: int) -> None:
        """Hear from charon until it hangs up; in a thread."""
        with suppress(CharonError):
            for told in negotiation.events(self._vici):
                loop.call_soon_threadsafe(self._heard, told, life)

    def _heard(self, told: list[IkeAssociation], life: int) -> None:
        if life == self._life:
            self.carried.told(told)
            self._stale.set()

    # Associations

    async def _negotiate(self, association: str) -> None:
        peer = self._peers[association]
        async with self._turns[peer]:  # charon would take the first of several with one peer for all of them
            with suppress(CharonError):
                await self._look()  # what we know may be older than what the traffic has met
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
        """Look at the associations whenever something has happened, or nothing for a while."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            with suppress(CharonError):  # it is ending, or busy: there will be another look
                await self._look()

    async def _look(self) -> None:
        life = self._life
        listed = await self.associations()
        if life != self._life:
            return
        self.carried.listed(listed)
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
