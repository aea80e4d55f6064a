"""The small worlds in which mutants of the product show (tests/simulation/README.md)."""

from __future__ import annotations

import pytest
from budget import seconds, some

from simulation.mutant_worlds import WORLDS
from simulation.mutants import MUTANTS, changed
from simulation.simulation import simulate


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_one_place_of_the_product_and_compiles(name: str) -> None:
    compile(changed(MUTANTS[name]), MUTANTS[name].module, "exec")


@pytest.mark.parametrize("number", some(range(len(WORLDS))))
def test_the_product_itself_breaks_no_rule_where_mutants_do(number: int) -> None:
    parameters, history, full = WORLDS[number]
    assert simulate(parameters, history, seconds(full, least=300.0)).violation is None
