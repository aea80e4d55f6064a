"""The lines in which two configurations differ."""

from __future__ import annotations

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.control.difference import changes

AGENTS = "\n agent 10.1.1.51 500\n agent 10.1.1.52 500\n"


def difference(before: str, after: str) -> list[str]:
    return list(changes(*(read_configuration(text, "text")[0] for text in (before, after))))


def test_a_password_of_dfp_changes_without_its_agents() -> None:
    """The password stands in the line that begins their block."""
    assert difference("ip slb dfp" + AGENTS, "ip slb dfp password 0 one" + AGENTS) == ["+ ip slb dfp password 7 ****"]
    assert difference("ip slb dfp password 0 one" + AGENTS, "ip slb dfp password 0 two" + AGENTS) == [
        "- ip slb dfp password 7 ****",
        "+ ip slb dfp password 7 ****",
    ]


def test_dfp_with_a_password_is_listed_with_its_agents() -> None:
    assert difference("", "ip slb dfp password 0 one" + AGENTS) == [
        "+ ip slb dfp",
        "+ ip slb dfp password 7 ****",
        "+ ip slb dfp / agent 10.1.1.51 500",
        "+ ip slb dfp / agent 10.1.1.52 500",
    ]
