"""``haslb run`` starts a balancer that only this machine reaches, unless another address is given."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from ryu_haslb.cli.run import SETTINGS, listening_place, manager_words, of_manager, parser, settings

PACKAGE = Path(__file__).parents[3] / "ryu_haslb"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 6653)),
        ("192.0.2.1:6633", ("192.0.2.1", 6633)),
        ("[2001:db8::1]", ("2001:db8::1", 6653)),
        ("[2001:DB8::1]:6633", ("2001:db8::1", 6633)),
        ("2001:db8::1", ("2001:db8::1", 6653)),
        ("0.0.0.0", ("0.0.0.0", 6653)),
    ],
)
def test_an_address_with_and_without_a_port(text: str, place: tuple[str, int]) -> None:
    assert listening_place(text) == place


@pytest.mark.parametrize(
    "text", ["", "6653", "switch", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1", "::1:"]
)
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected ADDRESS"):
        listening_place(text)


def test_with_tls_the_port_is_that_of_tls() -> None:
    assert manager_words("192.0.2.1", 6653, ["--ctl-privkey=own.key"])[3:5] == ["--ofp-ssl-listen-port", "6653"]
    assert manager_words("192.0.2.1", 6653, ["--verbose"])[3:] == ["--ofp-tcp-listen-port", "6653", "--verbose"]


def test_every_variable_of_the_product_is_an_option() -> None:
    """``haslb run --help`` is the manual. The configuration is the command's argument."""
    named = set().union(*(re.findall(r'"(HASLB_[A-Z_]+)"', path.read_text()) for path in PACKAGE.rglob("*.py")))
    assert {variable for _, variable, _, _ in SETTINGS} == named - {"HASLB_CONFIG"}
    help_text = parser().format_help()
    for option, variable, _, _ in SETTINGS:
        assert f"{option} " in help_text
        assert variable in help_text


def test_an_option_sets_its_variable_and_leaves_the_others() -> None:
    servers = "tcp:192.0.2.1:6641,tcp:192.0.2.2:6641"
    options, others = parser().parse_known_args(["farm.ios", "--cluster", servers, "--name", "east", "--verbose"])
    assert settings(options) == {"HASLB_CLUSTER": servers, "HASLB_NAME": "east"}
    assert others == ["--verbose"]


def test_the_files_of_tls_and_of_the_log_are_options_of_the_manager() -> None:
    options = parser().parse_args(["farm.ios", "--ctl-privkey", "own.key", "--log-file", "haslb.log"])
    assert of_manager(options) == ["--ctl-privkey=own.key", "--log-file=haslb.log"]
