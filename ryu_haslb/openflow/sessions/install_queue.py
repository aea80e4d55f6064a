"""The sessions whose rules wait to be installed on one switch, in the order in which they get them. Pure.

::

    known      sessions of known mobiles (:mod:`ryu_haslb.slb.session_limit`)
    replaced   sessions that have a rule on the switch, or may have: the new one takes its place, and needs no room
    new        all others; a session that is confirmed while it waits becomes known with its next request, or sooner

Within each class, those that wait longest come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from ryu_haslb.slb.session import Session

#: Rules of each class that wait to be installed. Sessions beyond this number get theirs with their next request.
MAX_WAITING_RULES = 200_000


class InstallQueue:
    """The waiting sessions. Some of them may have ended: :meth:`review`, and the code that takes them, look at that."""

    def __init__(self) -> None:
        self.known: dict[Session, None] = {}
        self.replaced: dict[Session, None] = {}
        self.new: dict[Session, None] = {}

    def __len__(self) -> int:
        return len(self.known) + len(self.replaced) + len(self.new)

    def __contains__(self, session: object) -> bool:
        return session in self.known or session in self.replaced or session in self.new

    def __iter__(self) -> Iterator[Session]:
        return chain(self.known, self.replaced, self.new)

    def add(self, session: Session, is_replaced: bool) -> None:
        """Let a session wait. ``is_replaced``: it has a rule on the switch, or may have."""
        if session in self.replaced:
            return
        if not is_replaced and session.unconfirmed_in is not None:
            if len(self.new) < MAX_WAITING_RULES:
                self.new[session] = None
            return
        queue = self.replaced if is_replaced else self.known
        if len(queue) < MAX_WAITING_RULES:
            self.new.pop(session, None)
            if is_replaced:
                self.known.pop(session, None)
            queue[session] = None

    def discard(self, session: Session) -> None:
        """The session waits no longer."""
        for queue in (self.known, self.replaced, self.new):
            queue.pop(session, None)

    def take(self, count: int, room: int) -> list[tuple[list[Session], bool]]:
        """Take up to ``count`` sessions, and whether these are replaced; ``room`` is for those that are not."""
        taken = []
        for queue in (self.known, self.replaced, self.new):
            is_replaced = queue is self.replaced
            some = _take_first(queue, count if is_replaced else min(count, room))
            taken.append((some, is_replaced))
            count -= len(some)
            room -= 0 if is_replaced else len(some)
        return taken

    def review(self, count: int) -> None:
        """Look at ``count`` sessions that wait for room, and have them wait at the end.

        One that has ended waits no longer, and one that was confirmed is known.
        """
        for queue in (self.known, self.new):
            for session in list(islice(queue, count)):
                del queue[session]
                if session.is_live:
                    (self.known if session.unconfirmed_in is None else queue)[session] = None

    def clear(self) -> None:
        """Nothing waits any more."""
        self.known.clear()
        self.replaced.clear()
        self.new.clear()


def _take_first(queue: dict[Session, None], count: int) -> list[Session]:
    if count >= len(queue):
        some = list(queue)
        queue.clear()
        return some
    some = list(islice(queue, count))
    for session in some:
        del queue[session]
    return some
