"""Where real servers are: found by ARP and followed, reached by a route, or configured."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from ryu_haslb.configuration.model import (
    Configuration,
    RealServer,
    Route,
    ServerFarm,
    StaticLocation,
    VlanInterface,
    next_hop_of,
)
from ryu_haslb.openflow.neighbours.arp_probing import (
    CHALLENGE_TIMEOUT,
    CLAIM_INTERVAL,
    FLAP_INTERVAL,
    HOLD_DOWN_INTERVAL,
    MAX_MOVES,
    MAX_UNANSWERED_PROBES,
    PROBE_INTERVAL,
    REFRESH_INTERVAL,
)
from ryu_haslb.openflow.neighbours.places import Finding, Location, PlaceState, Probe
from ryu_haslb.openflow.neighbours.table import Neighbours

ADJACENT = RealServer(IPv4Address("10.1.1.51"))
DISTANT = RealServer(IPv4Address("10.99.11.11"))
STATIC = RealServer(IPv4Address("10.1.1.53"), locations=(StaticLocation(b"\x02\0\0\0\0\x53", 4, 15, datapath=2),))
STATIC_ADDRESS = STATIC.address.packed
HERE = Location(b"\x02\0\0\0\0\x51", 3, None)

CONFIGURATION = Configuration(
    farms={"FARM": ServerFarm("FARM", reals=(ADJACENT, DISTANT, STATIC))},
    vlan_interfaces=(VlanInterface(15, IPv4Address("10.1.1.15"), IPv4Network("10.1.1.0/24")),),
    routes=(
        Route(IPv4Network("10.0.0.0/8"), IPv4Address("10.1.1.1")),
        Route(IPv4Network("10.99.0.0/16"), IPv4Address("10.1.1.2")),
    ),
)


def test_an_adjacent_real_is_asked_for_itself_and_a_distant_one_through_the_most_specific_route() -> None:
    interfaces, routes = CONFIGURATION.vlan_interfaces, CONFIGURATION.routes
    assert next_hop_of(interfaces, routes, ADJACENT.address) == ADJACENT.address
    assert next_hop_of(interfaces, routes, DISTANT.address) == IPv4Address("10.1.1.2")
    assert next_hop_of((), (), DISTANT.address) == DISTANT.address


def test_a_static_location_holds_for_its_switch_and_is_not_looked_for() -> None:
    place = Location(b"\x02\0\0\0\0\x53", 4, 15)
    assert Neighbours(CONFIGURATION, 2).location(STATIC) == place
    probes = [probe for probe in Neighbours(CONFIGURATION, 2).due_probes(0.0)[0] if probe.address == STATIC_ADDRESS]
    assert probes == [Probe(STATIC_ADDRESS, place)], "polled by unicast, and not looked for by broadcast"
    assert Neighbours(CONFIGURATION, 1).location(STATIC) is None
    assert Probe(STATIC_ADDRESS) in Neighbours(CONFIGURATION, 1).due_probes(0.0)[0]


def test_a_static_location_stays_without_an_answer_and_is_shown_as_silent() -> None:
    neighbours = Neighbours(CONFIGURATION, 2)
    place = neighbours.location(STATIC)
    assert place is not None
    for second in range(60):
        assert not neighbours.due_probes(float(second))[1]
        neighbours.on_answer(STATIC_ADDRESS, place._replace(port=9), float(second))
        neighbours.on_claim(STATIC_ADDRESS, place._replace(port=9), float(second))
    assert neighbours.place(STATIC) == (place, PlaceState.STATIC, 0, True)
    neighbours.on_answer(STATIC_ADDRESS, place, 60.0)
    assert str(neighbours.place(STATIC)) == "02:00:00:00:00:53 at port 4, VLAN 15 (static)"


def test_an_answer_locates_and_a_claim_only_causes_a_probe() -> None:
    """RFC 826 lets every host claim any address."""
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.due_probes(0.0)
    neighbours.on_claim(REAL, HERE, 0.5)
    assert neighbours.location(ADJACENT) is None
    assert neighbours.due_probes(0.5)[0] == [Probe(REAL)], "at once, by broadcast"
    assert neighbours.on_answer(REAL, HERE, 0.6)
    assert neighbours.location(ADJACENT) == HERE
    assert not neighbours.on_answer(REAL, HERE, 0.7), "nothing new"


def test_claims_to_an_address_that_is_not_located_cause_one_probe_a_second() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    sent = 0
    for hundredth in range(1000):
        neighbours.on_claim(REAL, HERE, hundredth / 100)
        sent += probed(neighbours, hundredth / 100).count(REAL)
    assert sent <= 21, "ten in ten seconds, and as many because it is not located"


def test_the_sender_of_an_arp_packet_that_is_no_next_hop_is_ignored() -> None:
    neighbours = Neighbours(CONFIGURATION, 1)
    assert not neighbours.on_answer(b"\x0a\x01\x01\x77", HERE, 1.0)
    neighbours.on_claim(b"\x0a\x01\x01\x77", HERE, 1.0)
    assert not list(neighbours.take_events())


def test_a_located_neighbour_is_polled_by_unicast_first() -> None:
    """RFC 1122, section 2.3.2.1: unicast poll."""
    neighbours = located()
    assert REAL not in probed(neighbours, REFRESH_INTERVAL - 0.01)
    assert of_real(neighbours, REFRESH_INTERVAL) == [Probe(REAL, HERE)]
    assert of_real(neighbours, REFRESH_INTERVAL + PROBE_INTERVAL) == [Probe(REAL), Probe(REAL, HERE)]


def test_after_a_change_of_the_network_all_are_asked() -> None:
    neighbours = located()
    neighbours.probe_all()
    assert of_real(neighbours, 1.0) == [Probe(REAL), Probe(REAL, HERE)]
    neighbours.on_answer(REAL, HERE, 1.0)
    assert of_real(neighbours, 1.0 + REFRESH_INTERVAL) == [Probe(REAL, HERE)]


def test_a_real_that_leaves_several_probes_unanswered_is_unreachable() -> None:
    neighbours = located()
    now, polls, lost = REFRESH_INTERVAL, 0, False
    while not lost:
        probes, lost = neighbours.due_probes(now)
        polls += Probe(REAL, HERE) in probes
        now += 0.5
        assert now < 60
    assert polls == MAX_UNANSWERED_PROBES
    assert neighbours.location(ADJACENT) is None
    assert neighbours.place(ADJACENT).state is PlaceState.UNKNOWN


def test_a_real_at_a_port_that_goes_down_is_probed_at_once() -> None:
    neighbours = located()
    assert not neighbours.forget_port(9)
    assert neighbours.forget_port(HERE.port)
    assert neighbours.location(ADJACENT) is None
    assert REAL in probed(neighbours, 1.0)


def test_a_known_place_that_answers_keeps_the_address() -> None:
    """RFC 5227, section 2.4: of two hosts with one address the one that had it defends it."""
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    assert neighbours.place(ADJACENT).state is PlaceState.CHALLENGED
    assert of_real(neighbours, 1.0) == [Probe(REAL), Probe(REAL, HERE)], "the known place, and all others"
    assert not neighbours.on_answer(REAL, THERE, 1.01), "also an answer from elsewhere changes nothing"
    assert not neighbours.on_answer(REAL, HERE, 1.0 + CHALLENGE_TIMEOUT - 0.01)
    assert neighbours.location(ADJACENT) == HERE
    (event,) = neighbours.take_events()
    assert event == (Finding.CLAIM_REFUSED, REAL, HERE, THERE)
    assert (neighbours.place(ADJACENT).state, neighbours.place(ADJACENT).claims_refused) == (PlaceState.LOCATED, 1)
    assert not neighbours.due_probes(1.0 + CHALLENGE_TIMEOUT)[1], "the claim is forgotten"


def test_a_claim_wins_when_it_is_answered_for_and_the_known_place_is_silent() -> None:
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    assert len(poll(neighbours, 1.0, 1.0 + CHALLENGE_TIMEOUT - 0.01)) == 4, "so that one lost packet decides nothing"
    neighbours.on_answer(REAL, THERE, 1.2)
    assert neighbours.location(ADJACENT) == HERE
    assert neighbours.due_probes(1.0 + CHALLENGE_TIMEOUT)[1]
    assert neighbours.location(ADJACENT) == THERE
    assert [event.finding for event in neighbours.take_events()] == [Finding.MOVED]


def test_a_claim_without_an_answer_moves_nothing() -> None:
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    poll(neighbours, 1.0, 1.0 + CHALLENGE_TIMEOUT)
    assert not neighbours.due_probes(1.0 + CHALLENGE_TIMEOUT)[1]
    assert neighbours.location(ADJACENT) == HERE


def test_a_known_place_is_not_silent_while_the_balancer_has_sent_it_no_probe() -> None:
    """A process may wait for its processor for seconds, and read what has come meanwhile only after that."""
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    neighbours.on_answer(REAL, THERE, 1.1)
    late = 1.0 + 2 * CHALLENGE_TIMEOUT
    assert not neighbours.due_probes(late)[1]
    assert not neighbours.on_answer(REAL, HERE, late + 0.01)
    assert neighbours.place(ADJACENT).state is PlaceState.LOCATED


def test_a_neighbour_is_not_given_up_while_the_switch_is_behind() -> None:
    """What it is sent is still in the switch, and so are its answers."""
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    neighbours.on_answer(REAL, THERE, 1.1)
    for tenth in range(10, 200):
        assert not neighbours.due_probes(tenth / 10, is_behind=True)[1]
    poll(neighbours, 20.0, 20.0 + CHALLENGE_TIMEOUT / 2)
    assert neighbours.location(ADJACENT) == HERE, "nor at once when it has caught up"
    poll(neighbours, 20.0 + CHALLENGE_TIMEOUT / 2, 20.1 + CHALLENGE_TIMEOUT)
    assert neighbours.location(ADJACENT) == THERE, "silence counts again"


def test_a_neighbour_that_is_polled_is_not_given_up_while_the_switch_is_behind() -> None:
    neighbours = located()
    for second in range(100):
        assert not neighbours.due_probes(float(second), is_behind=True)[1]
    assert neighbours.place(ADJACENT).state is PlaceState.LOCATED


def test_a_claimant_cannot_keep_a_silent_place_from_being_found_out() -> None:
    neighbours = located()
    lost = 0.0
    for tenth in range(10, 400):
        neighbours.on_claim(REAL, THERE, tenth / 10)
        if neighbours.due_probes(tenth / 10)[1]:
            lost = tenth / 10
            break
    assert 0 < lost < 15


def test_a_storm_of_claims_causes_one_challenge_a_second() -> None:
    neighbours = located()
    polls = 0
    for hundredth in range(100, 1100):
        now = hundredth / 100
        neighbours.on_claim(REAL, THERE._replace(port=hundredth), now)
        for probe in of_real(neighbours, now):
            if probe.to == HERE:
                polls += 1
                neighbours.on_answer(REAL, HERE, now)
    assert neighbours.location(ADJACENT) == HERE
    assert polls <= 11


def test_a_claim_soon_after_a_refused_one_is_judged_later() -> None:
    """A home agent may move just after a stranger has claimed its address."""
    neighbours = located()
    neighbours.on_claim(REAL, THERE, 1.0)
    neighbours.on_answer(REAL, HERE, 1.1)
    neighbours.on_claim(REAL, THERE, 1.2)
    assert neighbours.place(ADJACENT).state is PlaceState.LOCATED
    neighbours.due_probes(1.1 + CLAIM_INTERVAL)
    assert neighbours.place(ADJACENT).state is PlaceState.CHALLENGED


def test_the_same_machine_at_another_port_is_another_place() -> None:
    """A frame with a forged source address must not draw the requests away from the port of the home agent."""
    for elsewhere in (HERE._replace(port=9), HERE._replace(vlan=20), HERE._replace(mac=THERE.mac)):
        neighbours = located()
        neighbours.on_answer(REAL, elsewhere, 1.0)
        assert neighbours.location(ADJACENT) == HERE
        assert neighbours.place(ADJACENT).state is PlaceState.CHALLENGED


def test_a_real_that_flaps_is_held_down_where_it_was() -> None:
    neighbours = located()
    now, places = 10.0, [HERE, THERE]
    for move in range(MAX_MOVES + 1):
        now = move_to(neighbours, places[(move + 1) % 2], now)
    assert neighbours.place(ADJACENT).state is PlaceState.HELD_DOWN
    assert neighbours.location(ADJACENT) == places[MAX_MOVES % 2], "where it was before the last move"
    assert [event.finding for event in neighbours.take_events()] == [Finding.MOVED] * MAX_MOVES + [Finding.HELD_DOWN]
    elsewhere = places[(MAX_MOVES + 1) % 2]
    for _ in range(5):
        now = move_to(neighbours, elsewhere, now)
    assert neighbours.location(ADJACENT) != elsewhere
    assert not list(neighbours.take_events()) or neighbours.location(ADJACENT) is None


def test_a_real_that_is_held_down_is_used_where_it_answers_and_nowhere_else() -> None:
    neighbours, now = held_down()
    place = neighbours.location(ADJACENT)
    assert place is not None
    while neighbours.location(ADJACENT) is not None:
        now += 0.5
        neighbours.due_probes(now)
    assert not neighbours.on_answer(REAL, HERE if place == THERE else THERE, now)
    assert neighbours.on_answer(REAL, place, now)
    assert (neighbours.location(ADJACENT), neighbours.place(ADJACENT).state) == (place, PlaceState.HELD_DOWN)


def test_hold_down_ends_after_its_time() -> None:
    neighbours, now = held_down()
    neighbours.due_probes(now + HOLD_DOWN_INTERVAL)
    assert neighbours.place(ADJACENT).state is not PlaceState.HELD_DOWN
    assert Finding.RELEASED in [event.finding for event in neighbours.take_events()]


def test_moves_that_are_far_apart_or_follow_a_port_that_went_down_are_no_flapping() -> None:
    """The switch itself reports that a port is down; no host can forge it."""
    neighbours, now, places = located(), 10.0, [HERE, THERE]
    for move in range(10):
        now = move_to(neighbours, places[(move + 1) % 2], now) + FLAP_INTERVAL
    for move in range(10):
        place = places[move % 2]
        neighbours.forget_port(HERE.port)
        neighbours.forget_port(THERE.port)
        assert neighbours.on_answer(REAL, place, now + move)
    assert neighbours.place(ADJACENT).state is PlaceState.LOCATED


THERE = Location(b"\x02\0\0\0\0\x66", 9, None)
REAL = ADJACENT.address.packed


def located() -> Neighbours:
    """The real server is HERE, since time 0."""
    neighbours = Neighbours(CONFIGURATION, 1)
    neighbours.on_answer(REAL, HERE, 0.0)
    return neighbours


def of_real(neighbours: Neighbours, now: float) -> list[Probe]:
    return [probe for probe in neighbours.due_probes(now)[0] if probe.address == REAL]


def probed(neighbours: Neighbours, now: float) -> list[bytes]:
    return [probe.address for probe in neighbours.due_probes(now)[0]]


def poll(neighbours: Neighbours, since: float, until: float) -> list[Probe]:
    """The probes to the known place in this time."""
    found = []
    while since < until:
        found += [probe for probe in of_real(neighbours, since) if probe.to is not None]
        since += 0.02
    return found


def move_to(neighbours: Neighbours, place: Location, now: float) -> float:
    """The real server answers there and nowhere else; the time after that."""
    now += CLAIM_INTERVAL
    neighbours.on_claim(REAL, place, now)
    neighbours.due_probes(now)
    neighbours.on_answer(REAL, place, now)
    poll(neighbours, now, now + CHALLENGE_TIMEOUT)
    now += CHALLENGE_TIMEOUT
    neighbours.due_probes(now)
    return now


def held_down() -> tuple[Neighbours, float]:
    """A neighbour that has just been held down."""
    neighbours, now = located(), 10.0
    while neighbours.place(ADJACENT).state is not PlaceState.HELD_DOWN:
        now = move_to(neighbours, THERE if neighbours.location(ADJACENT) == HERE else HERE, now)
    return neighbours, now
