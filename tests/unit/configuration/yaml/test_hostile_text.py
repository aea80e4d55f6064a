"""Every YAML text is read as a configuration, or raises ConfigurationError, each line of which names its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steps import calls_of
from yaml_example import YAML, errors

from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.diagnostics import ConfigurationError

ANCHORS = "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefghijkl", "bcdefghijklm"))


@pytest.mark.parametrize(
    "text",
    [
        ANCHORS,
        "&a [*a]",
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 200_000,
        "a: b\n" * 5_000,
        '"\\UFFFFFFFF"',
        "%YAML " + "9" * 5000 + ".1\n---\na",
        "a: 1\n---\nb: 2\n",
        "!!python/object/apply:os.system [echo]",
        "serverfarms: !!python/name:os.system",
        "dfp: {password: !!binary Y2lzY28=}",
        "serverfarms: !!set {F}",
        "<<: {a: 1}",
        "\x00",
        "\t",
        "'",
        "[]",
        "text",
        "? [a]\n: b",
        "x" * (1 << 20) + "x",
    ],
)
def test_hostile_yaml_is_refused_in_a_few_steps_for_each_character(text: str) -> None:
    """At most 55 calls for a character when this was written, and 340 for the shortest text."""
    lines: list[str] = []
    assert calls_of(lambda: lines.extend(errors(text))) < 200 * len(text) + 10_000
    assert all(re.match(r"slb\.yaml(:\d+)?: \S", line) for line in lines)


def test_an_alias_is_refused_before_it_can_expand() -> None:
    assert errors(ANCHORS) == ["slb.yaml:2: aliases such as *a are not supported; expected the value itself"]


KEYS = sorted(set(re.findall(r"[\w.]+", YAML)) | {"locations", "mac", "datapath", "vlan", "null", "0x1", "on"})
SCALARS = st.sampled_from(KEYS) | st.text(max_size=8)
TREES = st.recursive(
    SCALARS, lambda tree: st.lists(tree, max_size=4) | st.dictionaries(SCALARS, tree, max_size=4), max_leaves=20
)


def check(text: str) -> None:
    try:
        read_yaml(text, "slb.yaml")
    except ConfigurationError as error:
        assert all(re.match(r"slb\.yaml(:\d+)?: \S", str(each)) and str(each).isprintable() for each in error.errors)


@given(st.text())
def test_any_text_is_a_configuration_or_the_one_error(text: str) -> None:
    check(text)


@given(st.data())
def test_an_example_with_some_of_it_replaced(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(YAML)))
    end = data.draw(st.integers(start, min(len(YAML), start + 40)))
    check(YAML[:start] + data.draw(st.text(max_size=20) | st.sampled_from(KEYS)) + YAML[end:])


def flow(tree: object) -> str:
    """The tree in YAML's flow style, its scalars as they are."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in tree.items()) + "}"
    return "[" + ", ".join(map(flow, tree)) + "]" if isinstance(tree, list) else str(tree)


@given(st.dictionaries(st.sampled_from(["serverfarms", "vservers", "dfp", "interfaces", "routes", "datapaths"]), TREES))
def test_any_tree_is_a_configuration_or_the_one_error(tree: dict[str, object]) -> None:
    check(flow(tree))


def test_a_text_has_so_many_keys_and_values_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_haslb.configuration.yaml.nodes.MAX_NODES", 100)
    text = "serverfarms:\n" + "".join(f"  F{number}: {{}}\n" for number in range(48))
    read_yaml(text, "slb.yaml")
    with pytest.raises(ConfigurationError, match=r"slb\.yaml:50: too many keys and values; expected at most 100"):
        read_yaml(f"{text}  F: {{}}\n", "slb.yaml")
