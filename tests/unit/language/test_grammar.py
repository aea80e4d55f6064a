"""The command language: templates, abbreviations, errors and completion, as on IOS."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.language.grammar import END, Command, CommandError, Mode, UnknownCommandError, expected, match
from ryu_haslb.language.template import compile_template

SHOW = Mode(
    "exec",
    (
        Command("show ip slb reals [vserver NAME] [detail]", "reals", "Real servers"),
        Command("show ip slb serverfarms [name NAME]", "farms", "Server farms"),
        Command("show ip slb sessions [ipmobile]", "sessions", "Sessions"),
        Command("weight WEIGHT<0-255>", "weight", "Share"),
        Command("idle SECONDS<1-10>", "idle", "Life"),
        Command("inservice", "inservice", "Begin"),
        Command("virtual ADDRESS udp 434", "virtual", "Address"),
        Command("password [0|7] PASSWORD [TIMEOUT<0-9>]", "password", "Key"),
        Command("client PREFIX MASK [exclude]", "client", "Client"),
        Command("interior LINE", None),
        Command("access-list LINE", None),
    ),
    {"ip": "IP information", "slb": "Load balancing"},
)


def found(line: str) -> str:
    return str(match(SHOW, line.split()).command.action)


def error(line: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        match(SHOW, line.split())
    return caught.value


def test_a_command_is_found_by_its_words_and_gives_its_values() -> None:
    result = match(SHOW, ["show", "ip", "slb", "reals", "vserver", "MIPSLB", "detail"])
    assert result.command.action == "reals"
    assert result["NAME"] == "MIPSLB"
    assert "detail" in result
    assert result.words == ("show", "ip", "slb", "reals", "vserver", "detail")


def test_what_may_be_left_out_is_absent_from_the_values() -> None:
    result = match(SHOW, ["show", "ip", "slb", "reals"])
    assert result.get("NAME") is None
    assert "detail" not in result


def test_keywords_may_be_abbreviated_and_written_in_any_case() -> None:
    assert found("sh ip slb rea") == "reals"  # the chapter's own `sh ip slb rea`, example 5
    assert found("SHOW Ip sLb SER") == "farms"
    assert "detail" in match(SHOW, ["sh", "ip", "s", "r", "d"])


def test_an_ambiguous_abbreviation_names_what_it_could_mean() -> None:
    assert str(error("i")) == "'i' is ambiguous: idle, inservice"
    assert str(error("show ip slb se")) == "'se' is ambiguous: serverfarms, sessions"


def test_a_word_in_full_is_not_ambiguous_with_longer_ones() -> None:
    mode = Mode("exec", (Command("inservice", "inservice"), Command("in", "in")))
    assert match(mode, ["in"]).command.action == "in"


def test_a_number_among_the_keywords_is_not_abbreviated() -> None:
    assert found("virtual 10.1.1.10 udp 434") == "virtual"
    assert str(error("virtual 10.1.1.10 udp 4")) == "after 'virtual 10.1.1.10 udp' expected '434', not '4'"


def test_an_unimplemented_command_is_recognised_in_full_only_and_never_offered() -> None:
    # Otherwise `int` or `a` would silently mean something that has no effect.
    assert match(SHOW, ["interior", "x", "y"]).command.action is None
    assert found("in") == "inservice"
    with pytest.raises(UnknownCommandError):
        match(SHOW, ["acc", "1"])
    assert "access-list" not in {each.word for each in expected(SHOW, [])}


def test_a_keyword_is_preferred_to_a_parameter() -> None:
    assert match(SHOW, ["password", "7", "0822"]).words == ("password", "7")
    assert match(SHOW, ["password", "secret", "5"])["TIMEOUT"] == 5
    assert "incomplete" in str(error("password 0"))


def test_the_rest_of_a_line_is_one_value() -> None:
    result = match(SHOW, ["access-list", "101", "permit", "ip"])
    assert result["LINE"] == "101 permit ip"
    assert result.rest == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("weight 256", "after 'weight' expected a number from 0 to 255, not '256'"),
        ("weight -1", "after 'weight' expected a number from 0 to 255, not '-1'"),
        ("weight \u0663", "after 'weight' expected a number from 0 to 255, not '\u0663'"),
        ("weight", "incomplete command: after 'weight' expected a number from 0 to 255"),
        ("weight 3 4", "unexpected '4' after 'weight 3'; expected the end of the line"),
        ("virtual 300.1.1.1", "expected the IPv4 address of a host, such as 10.1.1.51, not '300.1.1.1'"),
        ("virtual 10.1.1.10 tcp", "after 'virtual 10.1.1.10' expected 'udp', not 'tcp'"),
        ("client 10.0.0.0 255.0.255.0", "not '255.0.255.0' (its one bits are not contiguous)"),
        ("show ip slb reels", "'reels'; did you mean 'reals'?"),
        ("wieght 3", "; did you mean 'weight'?"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(line: str, message: str) -> None:
    assert message in str(error(line))


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]
)
def test_an_address_that_no_host_can_have_is_refused(address: str) -> None:
    """RFC 6890: this network, loopback, multicast, reserved and broadcast addresses are no host's."""
    assert f"not '{address}' (" in str(error(f"virtual {address} udp 434"))


def test_the_position_counts_the_words_that_were_right() -> None:
    assert error("frobnicate").position == 0
    assert error("show ip slb frobnicate").position == 3
    assert error("show ip slb").position == 3


def test_an_error_shows_no_secret() -> None:
    assert "hush" not in str(error("password 0 hush what"))
    assert "hush" not in str(error("password 0 hush 5 6"))


def test_an_error_lets_no_control_character_through_and_stays_short() -> None:
    message = str(error("weight \x1b[2J" + "x" * 1000))
    assert "\x1b" not in message
    assert len(message) < 200


def test_completion_gives_the_next_words_with_their_help() -> None:
    assert [(each.word, each.help) for each in expected(SHOW, ["show"])] == [("ip", "IP information")]
    words = expected(SHOW, ["show", "ip", "slb"])
    assert [(each.word, each.help) for each in words] == [
        ("reals", "Real servers"),
        ("serverfarms", "Server farms"),
        ("sessions", "Sessions"),
    ]


def test_completion_takes_the_beginning_of_a_word() -> None:
    assert [each.word for each in expected(SHOW, ["show", "ip", "slb"], "se")] == ["serverfarms", "sessions"]


def test_completion_says_where_a_command_may_end() -> None:
    assert [each.word for each in expected(SHOW, ["show", "ip", "slb", "reals"])] == ["detail", "vserver", END]
    assert [each.word for each in expected(SHOW, ["weight"])] == ["<0-255>"]
    assert [each.word for each in expected(SHOW, ["weight", "3"])] == [END]


def test_completion_after_words_that_are_wrong_is_an_error() -> None:
    with pytest.raises(CommandError):
        expected(SHOW, ["show", "frobnicate"])


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("a [b [c]] d", {"a d", "a b d", "a b c d"}),
        ("{a b | c} [d | e]", {"a b", "c", "a b d", "a b e", "c d", "c e"}),
        ("[a] [b] c", {"c", "a c", "b c", "a b c"}),
    ],
)
def test_a_template_matches_its_lines_and_no_others(template: str, lines: set[str]) -> None:
    mode = Mode("exec", (Command(template, "yes"),))
    candidates = {""}
    for _ in range(4):
        candidates |= {f"{line} {word}".strip() for line in candidates for word in "abcde"}
    accepted = set()
    for line in candidates:
        try:
            match(mode, line.split())
        except CommandError:
            continue
        accepted.add(line)
    assert accepted == lines


@pytest.mark.parametrize("template", ["", "[a]", "{a", "a]", "a | b ]", "FROBNICATE", "{a | [b]}"])
def test_a_template_with_a_mistake_is_refused_when_it_is_written(template: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        compile_template(template)


def test_values_have_their_types() -> None:
    assert match(SHOW, ["virtual", "10.1.1.10", "udp", "434"])["ADDRESS"] == IPv4Address("10.1.1.10")
    assert match(SHOW, ["client", "15.1.0.0", "255.255.0.0"])["MASK"] == 16


@given(st.lists(st.text(st.characters(exclude_characters=" \t\r\n"), min_size=1)))
def test_any_words_are_a_command_or_the_one_error(words: list[str]) -> None:
    try:
        match(SHOW, words)
    except CommandError as refused:
        assert 0 <= refused.position <= len(words)


SPOKEN = ["show", "ip", "slb", "reals", "vserver", "detail", "X", "weight", "3", "virtual", "10.1.1.1", "udp", "client"]


@given(st.lists(st.sampled_from(SPOKEN)))
def test_every_word_that_completion_offers_is_accepted(words: list[str]) -> None:
    """What `?` prints and what the parser takes are the same thing."""
    samples = {"A.B.C.D": "10.1.1.0", "WORD": "X", "<0-255>": "7", "<1-10>": "7", "<0-9>": "7"}
    try:
        offered = expected(SHOW, words)
    except CommandError:
        return
    for each in offered:
        following = [] if each.word == END else [samples.get(each.word, each.word)]
        if each.word == "A.B.C.D" and words and words[0].startswith("c") and len(words) == 2:
            following = ["255.255.255.0"]
        try:
            match(SHOW, [*words, *following])
        except CommandError as refused:
            assert refused.position > len(words), each  # only more words are missing
