"""What an access list protects: the first rule that matches a packet decides, as in every access list of IOS."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.configuration.crypto_model import MAX_SELECTORS, AccessRule, protected

ANY = IPv4Network("0.0.0.0/0")
#: Networks in eight addresses, so that rules meet often and every packet can be tried.
SMALL = st.tuples(st.integers(0, 7), st.integers(29, 32)).map(lambda pair: IPv4Network(pair, strict=False))
RULES = st.lists(st.builds(AccessRule, st.booleans(), SMALL, SMALL), max_size=5)


def permitted(rules: list[AccessRule], source: IPv4Address, destination: IPv4Address) -> bool:
    return next((rule.permit for rule in rules if source in rule.source and destination in rule.destination), False)


@given(RULES)
def test_a_packet_is_protected_exactly_if_its_first_rule_permits_it(rules: list[AccessRule]) -> None:
    pairs = protected(rules)
    for source in map(IPv4Address, range(8)):
        for destination in map(IPv4Address, range(8)):
            holding = [pair for pair in pairs if source in pair[0] and destination in pair[1]]
            assert bool(holding) == permitted(rules, source, destination)


def test_permissions_keep_their_order_and_form() -> None:
    """The two ends can only negotiate pairs that both of them derive."""
    hosts = IPv4Network("15.1.1.10/32"), IPv4Network("15.1.1.51/32")
    assert protected([AccessRule(True, *hosts), AccessRule(True, ANY, ANY)]) == (hosts, (ANY, ANY))


def test_rules_that_make_too_many_pairs_are_an_error() -> None:
    denied = [AccessRule(False, IPv4Network((number << 24, 32)), ANY) for number in range(1, 8)]
    with pytest.raises(ValueError, match=f"permits more than {MAX_SELECTORS} pairs"):
        protected([*denied, AccessRule(True, ANY, ANY)])
    hosts = [AccessRule(True, IPv4Network(number), ANY) for number in range(MAX_SELECTORS + 1)]
    assert len(protected(hosts[:-1])) == MAX_SELECTORS
    with pytest.raises(ValueError, match="permits more than"):
        protected(hosts)
