"""The named scenarios: the chapter's six examples, each complete and consistent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.errors import LabError
from haslb_lab.scenarios import scenario
from haslb_lab.scenarios.scenario import Scenario, find, scenarios
from ryu_haslb.configuration.loader import load

NAMES = [each.name for each in scenarios()]


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest) -> Scenario:
    return find(request.param)


def test_there_are_the_chapters_six_in_its_order() -> None:
    assert NAMES == [
        "dispatched-static",
        "dispatched-dfp",
        "direct-static",
        "direct-dfp",
        "direct-ipsec-tunnel",
        "direct-ipsec-transport",
    ]
    assert [each.sessions for each in scenarios()] == [4, 100, 4, 100, 4, 4]


def test_every_block_is_of_a_node_that_takes_commands(named: Scenario) -> None:
    blocks = [*named.shown_before, *named.shown, *named.debugged]
    assert {block.prompt for block in blocks} <= set(named.chassis().prompts.values())
    assert {block.prompt for block in blocks if block.command.endswith("binding summary")} == {
        agent.name for agent in named.chassis().home_agents
    }
    files = {file.name for file in (named.description.parent / "shows").iterdir()}
    assert len(files) == len(blocks), "every file is listed once"


def test_the_balancer_serves_what_the_pdsn_asks_and_the_sami_has(named: Scenario) -> None:
    description = named.chassis()
    configuration = load(description.balancer.configuration).configuration
    (server,) = configuration.virtual_servers.values()
    (farm,) = configuration.farms.values()
    assert {pdsn.home_agent for pdsn in description.pdsns} == {server.address}
    assert [real.address for real in farm.reals] == [agent.address.ip for agent in description.home_agents]
    assert farm.nat_server == named.name.startswith("direct")
    assert description.prompts[CONTROLLER].startswith("SLB")


def test_only_dfp_examples_have_dfp_and_only_ipsec_examples_crypto(named: Scenario) -> None:
    description = named.chassis()
    configuration = load(description.balancer.configuration).configuration
    assert bool(configuration.dfp and configuration.dfp.agents) == named.name.endswith("dfp")
    assert bool(description.ipsec_modules) == bool(configuration.crypto.maps) == ("ipsec" in named.name)


def test_a_file_is_a_scenario_without_a_chapter(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("balancer: {}\n")
    strange = find(str(file))
    assert (strange.name, strange.shown, strange.shown_before) == ("mine.yaml", (), ())
    with pytest.raises(LabError, match=r"mine\.yaml:1: "):
        strange.chassis()


def test_a_name_that_is_neither_scenario_nor_file_is_refused_with_the_known_names(tmp_path: Path) -> None:
    for name in ("dispatched", str(tmp_path), "no\0name", "x" * 500):
        with pytest.raises(LabError, match="neither a scenario nor a file; there are: dispatched-static, "):
            find(name)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("title: x\nexample: 7\nsession: 4\n", "3: unknown key 'session' of the scenario; expected"),
        ("title: x\nexample: 7\nsession: 4\n", "did you mean 'sessions'?"),
        ("# x\nexample: 7\nsessions: 4\n", "2: the scenario lacks the key 'title'"),
        ("title: x\nsessions: 4\n", "1: the scenario lacks the key 'example'"),
        ("title: x\nexample: 7\n", "1: the scenario lacks the key 'sessions'"),
        ("title: x\nexample: seven\nsessions: 4\n", "2: expected the number of the chapter's example"),
        ("title: x\nexample: 7\nsessions: 0\n", "3: expected the number of sessions, a number from 1"),
        ("title: [x]\nexample: 7\nsessions: 4\n", "1: expected the title of the scenario"),
        ("title: x\nexample: 7\nsessions: 4\nshown: x\n", "4: expected a list of shown"),
        ("title: x\nexample: 7\nsessions: 4\nshown: [[x]]\n", "4: expected the name of a file in shows/"),
        ("", " an empty file; expected the keys title, example, sessions"),
        ("- title\n", "1: expected keys of the scenario"),
        ("title: *x\n", "1: aliases such as *x are not supported"),
    ],
)
def test_a_mistake_in_a_scenario_is_told_with_file_line_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scenario.yaml").write_text(text)
    monkeypatch.setattr(scenario, "FOLDER", tmp_path)
    with pytest.raises(LabError, match=r"mine/scenario\.yaml:" + (".*" if "did" in error else "") + re.escape(error)):
        scenarios()


def test_a_block_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scenario.yaml").write_text("title: x\nexample: 7\nsessions: 4\nshown: [none.txt]\n")
    monkeypatch.setattr(scenario, "FOLDER", tmp_path)
    with pytest.raises(LabError, match=r"mine/shows/none\.txt: cannot be read: "):
        scenarios()
