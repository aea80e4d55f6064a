"""Every text is read as a configuration, or raises ConfigurationError, each line of which names its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from budget import some
from hypothesis import given
from hypothesis import strategies as st
from steps import calls_of

from ryu_haslb.configuration.ios.lines import read_lines
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.language.diagnostics import ConfigurationError

CHAPTER = Path(__file__).parents[4] / "topologies" / "chapter"
EXAMPLES = [path.read_text() for path in sorted(CHAPTER.rglob("*.ios"))]
WORDS = sorted(
    {word for text in EXAMPLES for word in text.split()}
    | {"no", "exit", "end", "!", "exclude", "7", "client"}
    | {"esp-aes", "256", "esp-null", "comp-lzs", "pfs", "group2", "keepalive", "lifetime", "seconds", "120", "udp"}
    | {"any", "deny", "0.0.0.255", "encryption", "hash", "group", "add", "none", "4094", "6", "1,2-3", "remark"}
)

#: Characters of a large file.
SIZE = 500_000
PLACE = re.compile(r"slb\.ios(:\d+)?: \S")


def check(text: str) -> None:
    try:
        configuration, warnings = read_configuration(text, "slb.ios")
    except ConfigurationError as error:
        lines = str(error).split("\n")
        assert len(lines) == len(error.errors) > 0
        assert all(PLACE.match(line) and line.isprintable() for line in lines)
    else:
        assert all(PLACE.match(str(warning)) for warning in warnings)
        assert read_configuration(write_configuration(configuration), "again")[0] == configuration


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=12).map("\n".join))
def test_the_words_of_the_chapter_in_any_order(text: str) -> None:
    check(text)


@given(st.sampled_from(EXAMPLES), st.data())
def test_an_example_with_some_of_it_replaced(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    check(text[:start] + data.draw(st.text(max_size=20) | st.sampled_from(WORDS)) + text[end:])


@given(st.sampled_from(EXAMPLES), st.randoms())
def test_an_example_with_its_lines_shuffled(text: str, random: object) -> None:
    lines = text.splitlines()
    random.shuffle(lines)  # type: ignore[attr-defined]
    check("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    some(
        [
            "a" * SIZE,
            "a " * (SIZE // 4),
            "ip slb vserver " + "a " * (SIZE // 4),
            "\r" * SIZE,
            "switchport trunk allowed vlan " + "1-4094," * (SIZE // 7),
            "zz\n" * (SIZE // 4),
        ]
    ),
    ids=some(["one word", "many words", "many words too many", "empty lines", "many VLANs", "wrong lines"]),
)
def test_a_large_file_of_nonsense_takes_a_few_steps_for_each_character(text: str) -> None:
    """At most 2 calls for a character when this was written; what grows with the square would take 500,000."""
    assert calls_of(lambda: check(text)) < 10 * len(text)


MAP = """\
crypto isakmp policy 1
 authentication pre-share
crypto isakmp key cisco address 0.0.0.0 0.0.0.0
crypto ipsec transform-set SET esp-aes
interface Vlan15
 ip address 15.1.1.15 255.0.0.0
 crypto map MAP
"""
ENTRY = "crypto map MAP {0} ipsec-isakmp\nset peer 1.1.1.1\nset transform-set SET\nmatch address 101\n"


def test_a_protocol_with_a_control_character_is_escaped() -> None:
    check(MAP + ENTRY.format(1) + "access-list 101 permit \x1fip any any\n")


@pytest.mark.parametrize(
    "line",
    some(
        [
            "access-list 101 permit ip host 10.0.{1}.{2} any\n",
            "access-list 101 deny ip host 10.0.{1}.{2} any\n",
            "crypto isakmp key cisco address 10.0.{1}.{2}\n",
            ENTRY,
            "interface Vlan {0}\nip address 10.1.1.1 255.0.0.0\ncrypto map MAP\n",
            "interface FastEthernet {1}/{2}\nswitchport trunk allowed vlan 1,15\ncrypto connect vlan 15\n",
        ]
    ),
)
def test_much_of_the_same_takes_no_steps_that_grow_with_its_square(line: str) -> None:
    """Eight times the input took 7.3 to 7.8 times the calls when this was written; the square takes up to 64 times."""

    def calls(count: int) -> int:
        lines = (line.format(each, each // 256, each % 256) for each in range(1, count + 1))
        text = MAP + ENTRY.format(1) + "".join(lines)
        return calls_of(lambda: check(text))

    assert calls(400) < 12 * calls(50)


def test_a_text_has_so_many_commands_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """300,000 times the same farm took minutes to read."""
    monkeypatch.setattr("ryu_haslb.configuration.ios.blocks.MAX_COMMANDS", 100)
    line = "ip slb serverfarm F\n!\n\n"
    read_configuration(line * 100, "slb.ios")
    with pytest.raises(ConfigurationError, match=r"slb\.ios:301: too many commands; expected at most 100"):
        read_configuration(line * 200, "slb.ios")


@pytest.mark.parametrize("before", ["", "x"])
def test_a_line_of_a_million_blanks_is_read(before: str) -> None:
    """100,000 took 80 s: each was tried as the begin of a remark."""
    (line,) = read_lines(f"{before}{' ' * 1_000_000}x")
    assert line.words[-1] == "x"
