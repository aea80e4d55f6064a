"""A balancer over one farm, and requests to it, in the fewest words."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, NamedTuple, Optional

from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.drop_reason import DropReason
from ryu_haslb.slb.real import RealServer as Real
from ryu_haslb.slb.request import make_request
from ryu_haslb.slb.session import Session

SWITCH = 1
ANY = b"\0\0\0\0"
VIRTUAL = IPv4Address("10.1.1.10")


class Verdict(NamedTuple):
    """The balancer's verdict, with names."""

    real: Optional[Real]
    session: Optional[Session]
    drop: Optional[DropReason]


def address(number: int) -> IPv4Address:
    return IPv4Address("10.1.1.50") + number


class Bench:
    """One farm with a real server for each weight (10.1.1.51, .52, ...), all reachable, behind one virtual server."""

    def __init__(self, *weights: int, server: Any = (), **real: Any) -> None:
        reals = tuple(
            RealServer(address(number), weight=weight, **{"in_service": True, **real})
            for number, weight in enumerate(weights, 1)
        )
        configuration = Configuration(
            farms={"HAFARM": ServerFarm("HAFARM", reals=reals)},
            virtual_servers={
                "MIPSLB": replace(VirtualServer("MIPSLB", VIRTUAL, "HAFARM", in_service=True), **dict(server))
            },
        )
        self.configuration = configuration
        self.balancer = Balancer(configuration)
        self.server = self.balancer.virtual_servers["MIPSLB"]
        self.reals = self.server.farm.reals
        for real_server in self.reals:
            real_server.reachable_from.add(SWITCH)
        self.now = 1000.0
        self.identification = 0

    def request(self, mobile: str, home_agent: bytes = ANY, lifetime: int = 600, client: str = "15.1.1.51") -> Verdict:
        """A request of this mobile, now, with an Identification of its own."""
        self.identification += 1
        return self.copy(mobile, home_agent, lifetime, client)

    def copy(self, mobile: str, home_agent: bytes = ANY, lifetime: int = 600, client: str = "15.1.1.51") -> Verdict:
        """A request with the Identification of the last one."""
        identity = b"\x01" + mobile.encode()
        packed = IPv4Address(client).packed
        fields = self.server, identity, packed, 434, home_agent, lifetime, SWITCH, self.identification
        return Verdict(*self.balancer.request(make_request(*fields), self.now))

    def session(self, mobile: str) -> Optional[Session]:
        """The session of this mobile."""
        identity = b"\x01" + mobile.encode()
        return self.balancer.sessions.find(make_request(self.server, identity, bytes(4), 434, ANY, 600, SWITCH, 0))

    def wait(self, seconds: float) -> None:
        """Let time pass, the way the application does."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.05, end)
            while self.balancer.advance(self.now, 500):
                pass

    def letter(self, verdict: Verdict) -> str:
        """A for the first real server, B for the second; - for a drop."""
        return "-" if verdict.real is None else "ABCDEFGH"[self.reals.index(verdict.real)]

    def letters(self, *mobiles: str) -> str:
        """Where requests of these mobiles go; one that is repeated follows a second after the one before."""
        letters = ""
        seen = set[str]()
        for mobile in mobiles:
            self.now += mobile in seen
            seen.add(mobile)
            letters += self.letter(self.request(mobile))
        return letters

    def attempt(self, mobile: str, retransmissions: int = 2, client: str = "15.1.1.51") -> str:
        """An attempt that is not answered, as a phone makes it (RFC 5944 section 3.6.3), and the wait for its end."""
        letters = ""
        for number in range(retransmissions + 1):
            letters += self.letter(self.request(mobile, client=client))
            self.wait(2.0**number)
        return letters

    def new_sessions(self, count: int, start: int = 0) -> str:
        return self.letters(*(f"user{number}@example.org" for number in range(start, start + count)))
