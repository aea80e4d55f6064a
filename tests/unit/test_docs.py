"""Documents that show what the code knows show what it knows now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert SPEC is not None
assert SPEC.loader is not None
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("document", generate.PARTS)
def test_generated_parts_are_up_to_date(document: str) -> None:
    assert (DOCS / document).read_text() == generate.generated(document), "run python docs/generate.py"
