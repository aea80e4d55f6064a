"""``haslb run`` starts a balancer that only this machine reaches, unless another address is given."""

from __future__ import annotations

import argparse

import pytest

from ryu_haslb.cli.run import listening_place, manager_words


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
