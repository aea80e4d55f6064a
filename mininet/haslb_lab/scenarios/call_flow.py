"""The six steps of the chapter's call flow, played in a running lab, each with its proof.

The proof of a step comes from outside the balancer: frames captured at the PDSNs and home agents, and the packet
counters of the balancer's flows in the switches. A step that differs from the chapter raises :class:`LabError`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from ipaddress import IPv4Address
from types import TracebackType
from typing import Any, NamedTuple, Optional

from haslb_lab.chassis.description import Description
from haslb_lab.errors import LabError
from haslb_lab.runner.lab import Lab
from haslb_lab.scenarios.associations import protected_pdsns
from haslb_lab.scenarios.evidence import Overhearing, Taken, taken
from haslb_lab.scenarios.overheard import Message
from haslb_lab.scenarios.reach import left_out, trips

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class Step(NamedTuple):
    """A step of the call flow that was played, and its proof."""

    number: int
    what: str
    proof: str


class CallFlow:
    """Plays the call flow with ``sessions`` sessions, divided among the PDSNs. Use it as a context manager.

    The context ``progress(WHAT, TOTAL)`` is entered while sessions are opened or closed; its value is called with the
    number that is done.
    """

    def __init__(self, lab: Lab, description: Description, sessions: int, progress: Progress) -> None:
        self._lab = lab
        self._description = description
        self._progress = progress
        self._sessions = sessions
        self._switches = [chassis.switch for chassis in description.supervisors]
        self._virtual = sorted({pdsn.home_agent for pdsn in description.pdsns})
        self._pdsns = {pdsn.address.ip: pdsn.name for pdsn in description.pdsns}
        self._home_agents = {agent.address.ip: agent.name for agent in description.home_agents}
        self._users = shares_of_users(self._pdsns.values(), sessions)
        protected = protected_pdsns(description)
        self._protected = {address: name for address, name in self._pdsns.items() if name in protected}
        nodes = (*self._pdsns.values(), *self._home_agents.values())
        self._overhearing = Overhearing(lab, nodes, [module.node for module in description.ipsec_modules])

    def __enter__(self) -> CallFlow:
        self._overhearing.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._overhearing.__exit__(kind, error, traceback)

    def open(self) -> Iterator[Step]:
        """Steps 1 to 4: open the sessions. Raises: LabError."""
        before, sent_before = self._taken(), self._sent()
        bound = self._have_all("register")
        after, sent = self._taken(), self._sent() - sent_before
        intercepted = after.requests - before.requests
        _expect(
            self._sessions <= intercepted <= sent,
            f"{_many(sent, 'request')} were sent, and the balancer received {intercepted}",
        )
        yield Step(
            1,
            f"{_names(self._pdsns.values())} sent {_many(sent, 'registration request')} to {_names(self._virtual)}",
            f"the rules of the virtual server took {intercepted} of them to the balancer{self._protection()}",
        )
        delivered = self._delivered(bound)
        yield Step(
            2,
            "the balancer delivered each mobile's request to one home agent",
            f"captured: {_shares(delivered, 'mobile', 'at')}",
        )
        replies = self._replies(bound)
        _expect(after.strays == before.strays, "the balancer received packets that are not requests")
        yield Step(
            3,
            "the home agents replied to the PDSN directly",
            f"captured at the PDSN: {_shares(replies, 'reply', 'from')}; the balancer's rules took none",
        )
        visitors = {name: self._total(name, "show ip mobile visitor summary") for name in self._pdsns.values()}
        bindings = {name: self._total(name, "show ip mobile binding summary") for name in self._home_agents.values()}
        _expect(sum(visitors.values()) == self._sessions, f"the visitor tables have {visitors}")
        _expect(bindings == delivered, f"mobiles were delivered to {delivered}, the bindings are {bindings}")
        yield Step(
            4,
            "binding and visitor entry of each mobile are there",
            f"{_shares(bindings, 'binding', 'at')}; {_shares(visitors, 'visitor', 'at')}",
        )
        yield from self._tunnel_steps(after)

    def close(self) -> Iterator[Step]:
        """Steps 5 and 6: close the sessions. Raises: LabError."""
        before, sent_before = self._taken(), self._sent()
        closed = self._have_all("deregister")
        untouched = self._untouched(before)
        sent = self._sent() - sent_before
        requests = self._at_home_agents(closed)
        _expect(all(each.lifetime == 0 for heard in requests.values() for each in heard), "a request has a lifetime")
        _expect(untouched, "the balancer's rules took packets of the deregistration")
        yield Step(
            5,
            f"{_names(self._pdsns.values())} sent {_many(sent, 'request')} with lifetime 0 to the real home agents",
            f"captured: {_shares({name: len(heard) for name, heard in requests.items()}, 'request', 'at')}; "
            "the balancer's rules took none",
        )
        replies = self._replies(closed)
        bindings = {name: self._total(name, "show ip mobile binding summary") for name in self._home_agents.values()}
        _expect(not any(bindings.values()), f"bindings are left: {bindings}")
        yield Step(
            6,
            "the home agents replied to the PDSN directly and closed the bindings",
            f"captured at the PDSN: {_shares(replies, 'reply', 'from')}; no binding is left",
        )

    def _tunnel_steps(self, opened: Taken) -> Iterator[Step]:
        """The rest of step 4: traffic through the tunnels, none of which the balancer's rules take."""
        for trip in trips(self._lab, self._description, self._users):
            _expect(self._untouched(opened), f"the balancer's rules took traffic of {trip.mobile}")
            yield Step(
                4,
                f"{trip.mobile} and {trip.host} reached each other",
                f"through the tunnel of {trip.home_agent}; the balancer's rules took none",
            )
        for reason in left_out(self._description, self._users):
            yield Step(4, "not tried: a mobile's tunnel", reason)

    def _have_all(self, what: str) -> Counter[str]:
        """Have the PDSNs register or deregister all users. Returns how many each home agent has accepted."""
        accepted: Counter[str] = Counter()
        with self._progress(f"Mobile IP sessions {what}ed", self._sessions) as done:
            for pdsn, users in self._users.items():
                if users:
                    accepted.update(self._have(pdsn, what, users, done))
        return accepted

    def _have(self, pdsn: str, what: str, users: range, done: Callable[[int], None]) -> dict[str, int]:
        """Have one PDSN register or deregister users. Returns how many each home agent has accepted."""
        first, count = users.start, len(users)
        step: dict[str, Any] = {}
        for line in self._lab.stream(pdsn, f"{what} {first} {count}"):
            try:
                step = json.loads(line)
            except ValueError:
                raise LabError(f"{pdsn} refuses to {what}: {line}") from None
            done(first - 1 + step[f"{what}ed"])
            self._overhearing.catch_up()
        _expect(not step["failed"], f"{pdsn} failed to {what} {step['failed']} of {count} mobiles: {step['failures']}")
        unknown = {address for address in step["home_agents"] if IPv4Address(address) not in self._home_agents}
        _expect(not unknown, f"{_names(unknown)} replied to {pdsn}, and no home agent has that address")
        return {self._home_agents[IPv4Address(address)]: number for address, number in step["home_agents"].items()}

    def _protection(self) -> str:
        """Proof that requests were encrypted outside of the IPsec modules; empty if there are none."""
        if not self._protected:
            return ""
        least = sum(len(self._users[name]) for name in self._protected.values())
        encrypted, clear = self._overhearing.outside(self._protected, least)
        _expect(not any(each.destination in self._virtual for each in clear), "requests crossed the outside in clear")
        return f"; outside of the IPsec module: {encrypted} ESP packets, no request in clear"

    def _delivered(self, bound: Mapping[str, int]) -> dict[str, int]:
        """How many mobiles' requests arrived at each home agent. Raises: LabError unless each arrived at one."""
        requests = self._at_home_agents(bound)
        mobiles = {name: {each.nai for each in heard} for name, heard in requests.items()}
        home_agents = Counter(nai for nais in mobiles.values() for nai in nais)
        _expect(len(home_agents) == self._sessions, f"requests of {len(home_agents)} mobiles arrived at home agents")
        _expect(set(home_agents.values()) == {1}, "requests of the same mobile arrived at different home agents")
        return {name: len(nais) for name, nais in mobiles.items()}

    def _at_home_agents(self, least: Mapping[str, int]) -> dict[str, list[Message]]:
        """The requests that arrived at each home agent, at least as many as it has accepted."""
        return {
            name: [each for each in self._overhearing.heard(name, self._pdsns, least.get(name, 0)) if each.is_request]
            for name in self._home_agents.values()
        }

    def _replies(self, accepted: Counter[str]) -> dict[str, int]:
        """How many replies the PDSNs received from each home agent's own address. Raises: LabError."""
        heard = [
            message
            for name, users in self._users.items()
            for message in self._overhearing.heard(name, self._home_agents, len(users))
        ]
        replies = Counter(self._home_agents[each.source] for each in heard if not each.is_request)
        _expect(not accepted - replies, f"replies of {_names(accepted - replies)} are missing")
        return {name: replies[name] for name in self._home_agents.values()}

    def _total(self, node: str, command: str) -> int:
        total: int = self._lab.query(node, command)["total"]
        return total

    def _sent(self) -> int:
        """Requests that the PDSNs have sent so far, retransmissions included."""
        return sum(self._lab.query(pdsn, "show ip mobile traffic")["sent"] for pdsn in self._pdsns.values())

    def _taken(self) -> Taken:
        return taken(self._lab, self._switches)

    def _untouched(self, before: Taken) -> bool:
        """Whether the balancer's flows have matched no packet since ``before``. Flows of ended sessions are gone."""
        now = self._taken()
        return (now.requests, now.strays) == (before.requests, before.strays) and now.sessions <= before.sessions


def shares_of_users(pdsns: Collection[str], sessions: int) -> dict[str, range]:
    """The users that each PDSN registers: shares that differ by one at most."""
    shared, rest = divmod(sessions, len(pdsns))
    shares = [shared + (number < rest) for number in range(len(pdsns))]
    return {name: range(1 + sum(shares[:number]), 1 + sum(shares[: number + 1])) for number, name in enumerate(pdsns)}


def _expect(truth: bool, complaint: str) -> None:
    if not truth:
        raise LabError(f"the call flow is not the chapter's: {complaint}")


def _names(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)


def _many(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _shares(counts: Mapping[str, int], noun: str, preposition: str) -> str:
    """Such as: 2 bindings at HA1-7600, 2 bindings at HA2-7600."""
    return ", ".join(f"{_many(count, noun)} {preposition} {name}" for name, count in counts.items())
