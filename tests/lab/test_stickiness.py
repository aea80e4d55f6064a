"""Sessions: which requests are of one mobile, how long it keeps its home agent, and when it moves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server, wait_until
from mobile import VIRTUAL, authentication, frame, nai, registration, request

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

#: Seconds until a session ends: more than a test takes, and few for those that wait for the end.
IDLE, SHORT_IDLE = 300, 4
CONFIGURATION, SHORT_LIVED = (
    farm((address, 1) for address in REALS.values()) + virtual_server(idle) for idle in (IDLE, SHORT_IDLE)
)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(Lab(PlainChassis(), CONFIGURATION)) as running:
        yield running


@pytest.fixture()
def short_lived(bench: Bench) -> Iterator[Bench]:
    """The same without sessions, where new ones end soon."""
    with bench.configured(SHORT_LIVED):
        bench.lab.command(CONTROLLER, "clear ip slb sessions")
        yield bench


def by_home_address(address: str) -> bytes:
    return frame(request(authentication(), home_address=address))


def test_an_nai_stays_with_its_home_agent_behind_any_foreign_agent(bench: Bench) -> None:
    """The chapter: registrations from the same mobile must not spread over home agents. Three retries are within
    ``reassign``; in between others turn the rotation."""
    name = "traveller@isp.com"
    first = bench.deliver(registration(name))
    bench.deliver(registration("somebody@isp.com"))
    assert bench.retransmit(registration(name, port=5434)) == first
    bench.deliver(registration("else@isp.com"))
    assert bench.retransmit(registration(name, src="15.1.1.51", mac="00:00:5e:00:53:77")) == first
    assert bench.retransmit(registration(name, vlan=7, src="15.1.1.52", port=1)) == first
    assert bench.sessions()[name]["retries"] == 3


def test_one_foreign_agent_and_port_brings_mobiles_to_every_home_agent(bench: Bench) -> None:
    """A PDSN sends for all its mobiles from one address and port; that pair must not decide."""
    nodes = [bench.deliver(registration(f"crowd-{number}@isp.com")) for number in range(6)]
    assert sorted(nodes) == sorted([*REALS, *REALS])
    again = [bench.deliver(registration(f"crowd-{number}@isp.com")) for number in range(6)]
    assert again == nodes


def test_an_nai_counts_more_than_the_home_address(bench: Bench) -> None:
    """A mobile that asks for an address with its NAI is the same mobile once it has one."""
    name = "addressed@isp.com"
    first = bench.deliver(registration(name))
    bench.deliver(registration("in-between@isp.com"))
    assert bench.deliver(frame(request(nai(name), home_address="10.5.5.5"))) == first


def test_mobiles_without_nai_are_told_apart_by_home_address(bench: Bench) -> None:
    """Three home addresses are three sessions, each sticky."""
    addresses = ["10.5.5.1", "10.5.5.2", "10.5.5.3"]
    nodes = [bench.deliver(by_home_address(address)) for address in addresses]
    assert sorted(nodes) == sorted(REALS)
    assert [bench.deliver(by_home_address(address)) for address in addresses] == nodes


def test_an_nai_whose_bytes_are_a_home_address_is_another_mobile(bench: Bench) -> None:
    """An NAI of four bytes must not take over the session of the home address 65.66.67.68."""
    first = bench.deliver(by_home_address("65.66.67.68"))
    assert bench.deliver(frame(request(nai("ABCD")))) != first
    assert bench.sessions()["65.66.67.68"]["retries"] == 0


def test_a_session_ends_idle_seconds_after_its_last_request(short_lived: Bench) -> None:
    """``idle ipmobile request``, from the last request and not from the first; a busy machine may see it late."""
    name = "idler@isp.com"
    short_lived.deliver(registration(name))
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + SHORT_IDLE / 2, "half the idle time is over")
    last = time.monotonic()
    short_lived.deliver(registration(name))
    ended = wait_until(lambda: name not in short_lived.sessions(), "the session ends")
    assert ended - last >= SHORT_IDLE - 0.05


def test_a_session_that_has_ended_is_a_new_one_to_the_rotation(short_lived: Bench) -> None:
    """Its number of retries begins at zero, and its home agent is the next one of the rotation."""
    name = "returning@isp.com"
    first = short_lived.deliver(registration(name))
    wait_until(lambda: not short_lived.sessions(), "all sessions end")
    next_one = short_lived.deliver(registration(name))
    order = list(REALS)
    assert next_one == order[(order.index(first) + 1) % 3]
    assert short_lived.sessions()[name]["retries"] == 0


def test_conns_go_back_to_zero_when_sessions_end(short_lived: Bench) -> None:
    """``show ip slb reals`` counts sessions that live."""
    short_lived.exchange(*(registration(f"counted-{number}@isp.com") for number in range(30)))
    assert sum(row["conns"] for row in short_lived.reals().values()) >= 30
    wait_until(lambda: not short_lived.sessions(), "all sessions end")
    wait_until(lambda: not any(row["conns"] for row in short_lived.reals().values()), "none is counted any more")


def test_more_retries_than_reassign_move_the_session_once(bench: Bench) -> None:
    """The chapter: retries beyond ``reassign`` (3) move the session to another home agent; then it stays there."""
    name = "unanswered@isp.com"
    nodes = [bench.retransmit(registration(name)) for _ in range(6)]
    assert nodes[:4] == [nodes[0]] * 4
    assert nodes[4] != nodes[0]
    assert nodes[5] == nodes[4]


def test_closing_goes_to_the_sessions_home_agent_and_leaves_the_session(short_lived: Bench) -> None:
    """Lifetime 0 through the virtual address: the home agent that holds the binding gets it, independent of the
    rotation. A stranger can send it too, so the session only runs out."""
    name = "leaver@isp.com"
    first = short_lived.deliver(registration(name))
    short_lived.deliver(registration("stays@isp.com"))
    assert short_lived.deliver(frame(request(nai(name), lifetime=0, home_agent=VIRTUAL))) == first
    assert name in short_lived.sessions()
    wait_until(lambda: name not in short_lived.sessions(), "the session ends")


def test_closing_what_was_never_opened_is_dropped_and_counted(bench: Bench) -> None:
    """The balancer cannot tell which home agent holds the binding, and must not choose one at random."""
    closing = frame(request(nai("unknown@isp.com"), lifetime=0))
    assert bench.counted(closing) == {
        "requests": 1,
        "dropped": 1,
        "dropped_deregistration_without_session": 1,
    }


def test_a_request_that_names_another_real_server_goes_there_and_its_session_stays(bench: Bench) -> None:
    """Only that home agent can hold the binding. A stranger can send it too, so it moves no session."""
    name = "mover@isp.com"
    first = bench.deliver(registration(name))
    other = next(node for node in REALS if node != first)
    assert bench.deliver(frame(request(nai(name), home_agent=REALS[other]))) == other
    assert bench.deliver(registration(name)) == first
    assert [bench.sessions()[name]["real"]] == [REALS[first]]
