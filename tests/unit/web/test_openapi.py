"""The OpenAPI description is valid, and says what needs a token."""

from __future__ import annotations

from openapi_spec_validator import validate

from ryu_haslb.web.openapi import description


def test_the_description_is_valid() -> None:
    """OpenAPI 3.1."""
    validate(description())


def test_what_changes_something_needs_a_token_and_nothing_else_does() -> None:
    for path, operations in description()["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) == (method != "get"), path
