"""Reasons for which a switch rejects messages have OpenFlow's names, as the engine has them (section 7.5.4)."""

from __future__ import annotations

import pytest

from ryu_haslb.engine import ofproto_v1_3
from ryu_haslb.openflow.wire.error_names import error_name


@pytest.mark.parametrize(
    ("kind", "prefix"), [(1, "OFPBRC"), (2, "OFPBAC"), (3, "OFPBIC"), (4, "OFPBMC"), (5, "OFPFMFC"), (12, "OFPMMFC")]
)
def test_each_code_has_its_name_and_those_behind_the_last_one_their_numbers(kind: int, prefix: str) -> None:
    names = {code: name for name, code in vars(ofproto_v1_3).items() if name.startswith(f"{prefix}_")}
    assert len(names) >= 8
    assert {code: error_name(kind, code) for code in names} == names
    behind = max(names) + 1
    assert error_name(kind, behind) == f"error type {kind}, code {behind}"


def test_a_type_without_names_has_the_numbers() -> None:
    assert error_name(0xFFFF, 2300) == "error type 65535, code 2300"
