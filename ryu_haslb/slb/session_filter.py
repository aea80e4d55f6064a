"""Which sessions an operator means: the filters of ``show``, ``clear``, ``debug`` and HTTP, and how they are applied.

The session of a mobile is looked up in the session table. For all other filters every session is looked at, slice by
slice, since there may be a million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Callable, NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.slb.session import Session
from ryu_haslb.slb.session_table import SessionTable
from ryu_haslb.slb.shards import place_of
from ryu_haslb.slb.virtual_server import VirtualServer


class UnknownObjectError(HaslbError):
    """No object of the configuration in force has this name; ``table`` is where such objects are listed."""

    def __init__(self, kind: str, name: str, table: str) -> None:
        super().__init__(f"no such {kind}: {name}")
        self.table = table


class Page(NamedTuple):
    """A page of sessions in the order of their tags (:func:`.place_of`): those behind the tag ``after``; None: all."""

    after: Optional[int] = None

    def of(self, sessions: Iterable[Session]) -> list[Session]:
        """The sessions among these that are on the page, in its order."""
        first = (-1, 0) if self.after is None else place_of(self.after)
        return sorted((each for each in sessions if place_of(each.tag) > first), key=lambda each: place_of(each.tag))


class SessionFilter(NamedTuple):
    """The sessions that have all of these properties; None means any.

    ``vserver`` and ``farm`` are names. ``real`` is the address of the real server, and its port or None for any.
    ``client`` holds the source address of the last request. ``mobiles`` are keys of identities.
    """

    vserver: Optional[str] = None
    farm: Optional[str] = None
    real: Optional[tuple[IPv4Address, Optional[int]]] = None
    client: Optional[IPv4Network] = None
    mobiles: Optional[Collection[bytes]] = None

    def check(self, servers: Collection[str], farms: Collection[str]) -> None:
        """Check its names against those of the configuration in force. Raises: UnknownObjectError."""
        if self.vserver is not None and self.vserver not in servers:
            raise UnknownObjectError("virtual server", self.vserver, "vservers")
        if self.farm is not None and self.farm not in farms:
            raise UnknownObjectError("server farm", self.farm, "serverfarms")

    def predicate(self) -> Callable[[Session], bool]:
        """A function that says whether a session is selected. A recovered session has no mobile before its request."""
        conditions = [*self._conditions()]
        mobiles = self.mobiles
        if mobiles is not None:
            conditions.append(lambda session: session.identity in mobiles)
        return _all_of(conditions)

    def select(
        self, servers: Iterable[VirtualServer], table: SessionTable, limit: int, page: Optional[Page] = None
    ) -> Iterator[list[Session]]:
        """The sessions that are selected, in slices: a step looks at ``limit`` sessions at most, and may find none.

        Between two steps sessions may begin and end; one that lives all the time is selected once. With a ``page``,
        they are those behind a tag, in a fixed order.
        """
        conditions = [*self._conditions()]
        has_all = _all_of(conditions) if conditions else None
        for sessions in self._candidates(servers, table, limit, page):
            yield list(filter(has_all, sessions))

    def _candidates(
        self, servers: Iterable[VirtualServer], table: SessionTable, limit: int, page: Optional[Page]
    ) -> Iterator[list[Session]]:
        if self.mobiles is not None:
            pairs = ((server, mobile) for server in servers for mobile in self.mobiles)
            found = [each for pair in pairs if (each := table.with_identity(*pair)) is not None]
            return iter([found if page is None else page.of(found)])
        return table.slices(limit) if page is None else table.in_order(page.after, limit)

    def _conditions(self) -> Iterator[Callable[[Session], bool]]:
        """A condition for each property but the mobile."""
        vserver, farm, real, client = self.vserver, self.farm, self.real, self.client
        if vserver is not None:
            yield lambda session: session.virtual_server.name == vserver
        if farm is not None:
            yield lambda session: session.real.farm_name == farm
        if real is not None:
            address, port = real[0].packed, real[1]
            yield lambda session: session.real.packed_address == address and port in (None, session.real.port)
        if client is not None:
            mask, prefix = int(client.netmask), int(client.network_address)
            yield lambda session: int.from_bytes(session.client, "big") & mask == prefix


#: All sessions.
EVERY_SESSION = SessionFilter()


def _all_of(conditions: list[Callable[[Session], bool]]) -> Callable[[Session], bool]:
    if len(conditions) == 1:
        return conditions[0]
    return lambda session: all(condition(session) for condition in conditions)
