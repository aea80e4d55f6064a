"""Two chassis whose datapath ids differ in their upper bits only, as those of one vendor's switches may."""

from __future__ import annotations

from collections.abc import Iterator
from shutil import copytree

import pytest
from bench import wait_until
from described import SHAPES, bindings, conns, register, running

from haslb_lab.chassis.description import CONTROLLER, Description
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

IDS = (0x0000525400000001, 0x0000525401000001)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Description]]:
    """The two supervisors of the shape, with these ids."""
    path = copytree(SHAPES, tmp_path_factory.mktemp("twins") / "shapes") / "two-supervisors.yaml"
    text = path.read_text()
    for number, datapath_id in enumerate(IDS, 1):
        assert f"datapath_id: {number}}}" in text
        text = text.replace(f"datapath_id: {number}}}", f"datapath_id: {datapath_id}}}")
    path.write_text(text)
    with running(path) as (lab, description):
        wait_until(lambda: each_switch_has_found_each_home_agent(lab), "each supervisor has found each home agent")
        yield lab, description


def each_switch_has_found_each_home_agent(lab: Lab) -> bool:
    log = lab.log(CONTROLLER)
    return all(f"{number:016x}: real server 10.1.1.{real}" in log for number in IDS for real in (51, 52))


def test_home_agents_at_either_switch_are_reached_from_both(twins: tuple[Lab, Description]) -> None:
    """The bridge between them learns one port for an Ethernet address, so that the two need one each."""
    lab, description = twins
    for row in lab.query(CONTROLLER, "show ip slb reals detail"):
        assert row["reachable_from"] == [f"{each:016x}" for each in IDS]
        assert row["unreachable_from"] == []
    assert register(lab, "PDSN1-7600", 1, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
    assert register(lab, "PDSN2-7600", 5, 4) == {"10.1.1.51": 2, "10.1.1.52": 2}
    assert conns(lab) == bindings(lab, description) == {"10.1.1.51": 4, "10.1.1.52": 4}
