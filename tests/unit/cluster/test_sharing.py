"""What a member publishes while it leads, and takes over while it stands by."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, Optional

import pytest
from cluster_member import leading_member

from ryu_haslb.cluster.election import MemberState, View
from ryu_haslb.cluster.health_rows import Clocks
from ryu_haslb.cluster.neighbour_rows import places_of, rows_of
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.sharing import INHERITED_WEIGHT_TIMEOUT, Sharing
from ryu_haslb.cluster.weight_rows import weight_rows
from ryu_haslb.configuration.model import Configuration, RealServer, ServerFarm, VirtualServer
from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightRow
from ryu_haslb.openflow.fleet.known_switches import FORGET_TIMEOUT
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.health import Health

REAL = IPv4Address("10.1.1.51")
CONFIGURATION = Configuration(
    farms={"HAFARM": ServerFarm("HAFARM", reals=(RealServer(REAL, in_service=True),))},
    virtual_servers={"MIPSLB": VirtualServer("MIPSLB", IPv4Address("10.1.1.10"), "HAFARM", in_service=True)},
)
HERE, THERE = Location(b"\x02here!", 1, None), Location(b"\x02there", 2, 7)
WEIGHT = WeightRow(Server(REAL, 434, 17, 0), 9, AgentAddress(REAL, 500), 0.0)


class FakeFleet:
    """The switches that this member has met, with what each has found; ``preloaded`` is what it was given."""

    def __init__(self) -> None:
        self.switches: dict[int, Any] = {}
        self.configured: frozenset[int] = frozenset()
        self.preloaded: Mapping[int, Mapping[bytes, Location]] = {}
        self.preloaded_lost: Mapping[int, Mapping[bytes, Location]] = {}

    def meet(self, datapath_id: int, **found: Location) -> None:
        places = {IPv4Address(name.replace("_", ".")[1:]).packed: each for name, each in found.items()}
        adjacencies = SimpleNamespace(changes=1, found=lambda: places, lost=lambda: {})
        self.switches[datapath_id] = SimpleNamespace(adjacencies=adjacencies)

    def lose(self, datapath_id: int) -> None:
        """All that was found at a switch is lost."""
        adjacencies = self.switches[datapath_id].adjacencies
        adjacencies.changes += 1
        adjacencies.found, adjacencies.lost = adjacencies.lost, adjacencies.found

    def preload_neighbours(self, places: Mapping[int, Mapping[bytes, Location]]) -> None:
        self.preloaded = places

    def preload_lost_neighbours(self, places: Mapping[int, Mapping[bytes, Location]]) -> None:
        self.preloaded_lost = places


class FakeDfp:
    """Records the weights that were inherited, and until when."""

    def __init__(self) -> None:
        self.inherited: list[tuple[list[int], Optional[float]]] = []
        self.limited: list[float] = []
        self.weights = SimpleNamespace(changes=1, rows=lambda: [WEIGHT], limit_inherited=self.limited.append)

    def inherit_weights(self, rows: list[WeightRow], until: Optional[float]) -> None:
        self.inherited.append(([row.weight for row in rows], until))


class Shared:
    """A member that leads since 1000 s, and what it shares."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.member, self.balancer = leading_member(), Balancer(CONFIGURATION)
        self.fleet, self.dfp = FakeFleet(), FakeDfp()
        self.publications: dict[str, Publication] = {}
        monkeypatch.setattr(self.member.shared, "add", self._add)
        fleet: Any = self.fleet
        dfp: Any = self.dfp
        self.sharing = Sharing(self.member, fleet, self.balancer, dfp, lambda: Clocks(1000.0, 1_800_000_000.0))
        self.member.on_change = lambda: self.sharing.on_leadership_changed(1000.0)
        self.member.on_change()

    def _add(self, publication: Publication) -> None:
        self.publications[publication.kind.table] = publication

    def stand_by(self) -> None:
        for action in self.member.election.observe(View(True, False, 2, "member-b"), 1000.0):
            self.member.act(action)

    def lead(self) -> None:
        self.member.election.state = MemberState.LEADER
        self.member.on_change()

    def neighbours(self, published: Mapping[int, Mapping[bytes, Location]], now: float) -> dict[int, Any]:
        return dict(places_of(self.publications["Neighbour"].wanted(list(rows_of(published)), now)))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    return Shared(monkeypatch)


def test_a_former_leader_has_the_health_that_the_cluster_has_and_not_what_it_has_judged_while_it_was_cut_off(
    shared: Shared,
) -> None:
    """The rows of the new leader may come before the election shows it: then they do not change again."""
    (real,) = shared.balancer.reals()
    on_health = shared.publications["Health"].on_rows
    on_health([])
    real.take_over_health(Health.FAILED, 990.0)
    on_health([])
    assert real.health is Health.FAILED, "it leads"
    shared.stand_by()
    assert (shared.member.is_leading, real.health) == (False, Health.OPERATIONAL)


def test_a_failed_real_server_is_published_and_failed_at_a_standby(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    (real,) = shared.balancer.reals()
    publication = shared.publications["Health"]
    before = publication.state()
    real.take_over_health(Health.FAILED, 990.0)
    assert publication.state() != before
    rows = list(publication.wanted([], 1000.0))
    standby = Shared(monkeypatch)
    standby.stand_by()
    standby.publications["Health"].on_rows(rows)
    (same,) = standby.balancer.reals()
    assert same.health is Health.FAILED


def test_health_that_came_before_its_real_server_was_configured_is_taken_over_then(shared: Shared) -> None:
    (real,) = shared.balancer.reals()
    real.take_over_health(Health.FAILED, 990.0)
    rows = list(shared.publications["Health"].wanted([], 1000.0))
    shared.stand_by()
    shared.balancer.configure(Configuration())
    shared.publications["Health"].on_rows(rows)
    shared.balancer.configure(CONFIGURATION)
    shared.sharing.on_configured()
    (again,) = shared.balancer.reals()
    assert again.health is Health.FAILED


def test_a_new_leader_keeps_what_is_published_of_switches_that_it_has_not_met_yet(shared: Shared) -> None:
    """They may connect to it later; the one that the configuration names stays."""
    published = {1: {REAL.packed: THERE}, 2: {REAL.packed: THERE}, 3: {REAL.packed: THERE}}
    shared.fleet.meet(1, _10_1_1_51=HERE)
    shared.fleet.configured = frozenset({2})
    assert shared.neighbours(published, 1000.0) == {**published, 1: {REAL.packed: HERE}}
    assert shared.neighbours(published, 1000.0 + FORGET_TIMEOUT) == {
        1: {REAL.packed: HERE},
        2: {REAL.packed: THERE},
    }


def test_places_are_published_when_a_switch_has_found_others(shared: Shared) -> None:
    publication = shared.publications["Neighbour"]
    shared.fleet.meet(1, _10_1_1_51=HERE)
    before = publication.state()
    assert publication.state() == before
    shared.fleet.switches[1].adjacencies.changes += 1
    assert publication.state() != before


def test_places_are_handed_to_the_switches(shared: Shared) -> None:
    shared.publications["Neighbour"].on_rows(list(rows_of({1: {REAL.packed: THERE}})))
    assert shared.fleet.preloaded == {1: {REAL.packed: THERE}}
    shared.publications["Lost_Neighbour"].on_rows(list(rows_of({2: {REAL.packed: HERE}})))
    assert (shared.fleet.preloaded, shared.fleet.preloaded_lost) == (
        *({1: {REAL.packed: THERE}}, {2: {REAL.packed: HERE}}),
    )


def test_a_place_that_is_lost_is_published_as_such_until_it_is_found_again(shared: Shared) -> None:
    """The next leader knows then where rules lead to, and that nothing is there (docs/cluster.md)."""
    found, lost = shared.publications["Neighbour"], shared.publications["Lost_Neighbour"]
    shared.fleet.meet(1, _10_1_1_51=HERE)
    before = lost.state()
    for expected in [(1, 0), (0, 1), (1, 0)]:
        assert tuple(len(list(each.wanted([], 1000.0))) for each in (found, lost)) == expected
        shared.fleet.lose(1)
    assert lost.state() != before


def test_a_standby_has_the_weights_that_are_published_and_a_leader_for_a_while(shared: Shared) -> None:
    """The leader that has begun before it has read them takes them once; later rows are its own."""
    until = 1000.0 + INHERITED_WEIGHT_TIMEOUT
    assert shared.dfp.limited == [until]
    publication = shared.publications["Dfp_Weight"]
    assert [row["weight"] for row in publication.wanted([], 1000.0)] == [9]
    rows = list(weight_rows([WEIGHT]))
    publication.on_rows(rows)
    publication.on_rows(rows)
    assert shared.dfp.inherited == [([9], until)]
    shared.stand_by()
    publication.on_rows(rows)
    assert shared.dfp.inherited[1:] == [([9], None)]
    shared.sharing.on_configured()
    assert shared.dfp.inherited[2:] == [([9], None)], "an agent may be configured only now"
    shared.lead()
    assert shared.dfp.limited == [until, until]
