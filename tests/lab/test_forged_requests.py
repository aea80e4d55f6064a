"""One forged request moves no mobile: it is delivered where it asks to go, and the session stays as it is.

docs/security.md, "Moving a mobile". A request is forged by all who can send to the virtual address and know an NAI;
only the home agent can tell (RFC 5944 section 3.8.2.1), so the session must not depend on what it says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pytest
from bench import REALS, Bench, PlainChassis, farm, virtual_server
from mobile import VIRTUAL, authentication, frame, nai, registration, request

from haslb_lab.runner.lab import Lab
from ryu_haslb.slb.session import MIN_RETRANSMISSION_INTERVAL

pytestmark = pytest.mark.lab

MODES = {"dispatched": (), "direct": ("nat server",)}
_names = count(1)


@pytest.fixture(scope="module", params=MODES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    topology = PlainChassis(loopback=VIRTUAL if request.param == "dispatched" else None)
    configuration = farm(((address, 1) for address in REALS.values()), *MODES[request.param]) + virtual_server()
    with Bench(Lab(topology, configuration)) as running:
        yield running


def forged(name: str, home_agent: str, lifetime: int) -> bytes:
    """A request in a mobile's name from the attacker's own address, with an Identification of its own."""
    payload = request(nai(name) + authentication(), home_agent=home_agent, lifetime=lifetime)
    return frame(payload, mac="00:00:5e:00:53:66", src="10.1.1.166")


@pytest.mark.parametrize("lifetime", [0, 600])
@pytest.mark.parametrize("named", ["any", "another", "own", "virtual"])
def test_forged_requests_go_where_they_ask_and_the_mobile_stays(bench: Bench, named: str, lifetime: int) -> None:
    """Four copies, and four with new Identifications, from another source."""
    name, begun = f"victim{next(_names)}@isp.com", time.monotonic()
    real = bench.deliver(registration(name))
    other = next(each for each in REALS if each != real)
    address = {"any": "0.0.0.0", "another": REALS[other], "own": REALS[real], "virtual": VIRTUAL}[named]
    before = bench.sessions()[name]
    rule = bench.rule(name)
    copies = [forged(name, address, lifetime)] * 4
    came = bench.exchange(*copies, *(forged(name, address, lifetime) for _ in range(4)))
    target = other if named == "another" else real
    assert {each: len(frames) for each, frames in came.items() if frames} == {target: 8}
    after = bench.sessions()[name]
    assert (after["real"], after["nai_hash"]) == (REALS[real], before["nai_hash"])
    assert after["retries"] <= (time.monotonic() - begun) // MIN_RETRANSMISSION_INTERVAL, "one an interval at most"
    assert bench.rule(name).actions == rule.actions
    assert bench.deliver(registration(name)) == real


def test_a_forged_request_that_names_no_home_agent_of_the_farm_is_dropped(bench: Bench) -> None:
    name = f"victim{next(_names)}@isp.com"
    real = bench.deliver(registration(name))
    assert bench.counted(forged(name, "10.1.1.99", 600)) == {
        "requests": 1,
        "dropped": 1,
        "dropped_unknown_home_agent": 1,
    }
    assert bench.deliver(registration(name)) == real


def test_a_forged_deregistration_without_a_session_opens_none(bench: Bench) -> None:
    name = f"stranger{next(_names)}@isp.com"
    real = next(iter(REALS))
    assert bench.deliver(forged(name, REALS[real], 0)) == real
    assert name not in bench.sessions()
    assert not any(bench.exchange(forged(name, "0.0.0.0", 0)).values())
