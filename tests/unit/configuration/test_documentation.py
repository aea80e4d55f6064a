"""docs/configuration.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.ios.home_agent import HOME_AGENT
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.grammar import Mode

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


def example(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_example_says_the_same_in_both_forms() -> None:
    configuration, warnings = read_configuration(example("ios"), "configuration.md")
    assert warnings == ()
    assert read_yaml(example("yaml"), "configuration.md") == (configuration, ())


def keywords(mode: Mode) -> set[str]:  # type: ignore[type-arg]
    found = set()
    for command in mode.commands:
        if command.action is not None:
            found |= {symbol.text for symbol in command.compiled.symbols if symbol.kind is None}
            found |= keywords(command.opens) if command.opens else set()
    return found


@pytest.mark.parametrize("mode", [GLOBAL, HOME_AGENT], ids=["balancer", "home agent"])
def test_every_command_is_documented(mode: Mode) -> None:  # type: ignore[type-arg]
    documented = set(re.findall(r"[\w-]+", TEXT.replace("VlanN", "Vlan").replace("LoopbackN", "Loopback")))
    documented |= set(re.findall(r"\d+(?:\.\d+){3}", TEXT))  # a mask is a keyword as well
    assert keywords(mode) - {"description", "shutdown"} <= documented
