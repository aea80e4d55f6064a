"""The weights of DFP agents in the database (draft-eck-dfp-01, section 5): what cannot be true is ignored."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from ryu_haslb.cluster.weight_rows import MAX_WEIGHTS, WEIGHT, weight_rows, weights_of
from ryu_haslb.dfp.weight_table import AgentAddress, Server, WeightRow

WEIGHT_ROW = WeightRow(
    Server(IPv4Address("10.1.1.51"), 434, 17, 65535), 24, AgentAddress(IPv4Address("10.1.1.51"), 500), 7.0
)


def test_what_is_published_is_read_back() -> None:
    (row,) = weight_rows([WEIGHT_ROW])
    assert set(row) == set(WEIGHT.columns)
    assert weights_of([row], 7.0) == [WEIGHT_ROW]


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent": "ha1.example"},
        {"address": "10.1.1.999"},
        {"address": ""},
        {"agent_port": 65536},
        {"protocol": 256},
        {"bind_id": -1},
        {"weight": 65536},
        {"weight": -1},
    ],
)
def test_a_row_that_cannot_be_true_is_ignored(wrong: dict[str, Any]) -> None:
    (row,) = weight_rows([WEIGHT_ROW])
    assert weights_of([{**row, **wrong}], 7.0) == []


def test_rows_beyond_the_limit_are_neither_read_nor_published() -> None:
    many = [WEIGHT_ROW] * (MAX_WEIGHTS + 1)
    assert len(list(weight_rows(many))) == MAX_WEIGHTS
    assert len(weights_of(list(weight_rows(many)) * 2, 7.0)) == MAX_WEIGHTS
