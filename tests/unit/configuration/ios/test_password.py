"""Passwords of type 7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_haslb.configuration.ios.password import decrypt, encrypt


@pytest.mark.parametrize("hidden", ["0822455D0A16", "070C285F4D06", "094F471A1A0A", "02050D480809", "1511021F0725"])
def test_type_7_strings_that_routers_print_are_understood(hidden: str) -> None:
    """All of these are `cisco`, from different starting points."""
    assert decrypt(hidden) == "cisco"
    assert decrypt(hidden.lower()) == "cisco"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64))
def test_what_is_printed_is_what_was_entered(password: str) -> None:
    assert decrypt(encrypt(password)) == password


@pytest.mark.parametrize(
    "text", ["", "08", "0", "zz22", "9922", "08224", "08 22 45", "0822FF", "\u0660\u0668" + "22", "-122"]
)
def test_what_is_no_type_7_string_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a password of type 7; expected"):
        decrypt(text)


@given(st.text())
def test_any_text_is_a_password_or_refused(text: str) -> None:
    try:
        assert decrypt(text)
    except ValueError as error:
        assert "expected" in str(error)
