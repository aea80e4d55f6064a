"""The small worlds in which mutants of the product show (tests/simulation/README.md)."""

from __future__ import annotations

import pytest
from budget import some

from simulation.mutant_worlds import WORLDS
from simulation.simulation import simulate


@pytest.mark.parametrize("number", some(range(len(WORLDS))))
def test_the_product_itself_breaks_no_rule_where_mutants_do(number: int) -> None:
    assert simulate(*WORLDS[number]).violation is None
