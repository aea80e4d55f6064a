"""Tests of switches on record: which files are read, and what they decide (docs/switches.md, Tests on record)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_switch import CONFIGURATION, Served
from tested_switch import TestedSwitch

from ryu_haslb.configuration.model import Switching
from ryu_haslb.openflow.capabilities.layout_choice import LayoutChoice, SwitchingSource
from ryu_haslb.openflow.capabilities.switch_records import (
    MAX_FILE_SIZE,
    SwitchRecord,
    SwitchRecordError,
    parse_record,
    read_records,
)
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.openflow.wire.wire import OFPBAC_BAD_OUT_PORT, OFPET_BAD_ACTION, Error
from ryu_haslb.switch_test.examination import Examination
from ryu_haslb.switch_test.report import as_json

MAKE = Description("Lagopus project", "hybrid", "1.0")
RECORD = SwitchRecord(1, True, *MAKE[:3])
REJECTED = Error(OFPET_BAD_ACTION, OFPBAC_BAD_OUT_PORT, b"")


def report(verdict: str = "works", **changed: Any) -> dict[str, Any]:
    switch = {"datapath_id": f"{1:016x}", "make": MAKE.make, "hardware": MAKE.hardware, "software": MAKE.software}
    return {
        "format": 1,
        "is_complete": True,
        "switch": switch,
        "modes": {"normal": {"verdict": verdict}},
        **changed,
    }


@pytest.mark.parametrize(
    ("verdict", "forwards"), [("works", True), ("cannot_serve", False), ("not_known", None), ("works_without", True)]
)
def test_the_verdict_for_normal_is_read(verdict: str, forwards: Any) -> None:
    assert parse_record(json.dumps(report(verdict)), "a.json") == SwitchRecord(1, forwards, *MAKE[:3], "a.json")


@pytest.mark.parametrize(("normal", "forwards"), [("works", True), ("ignored", False)])
def test_what_switch_test_writes_is_read(normal: str, forwards: bool) -> None:
    tested = TestedSwitch(normal=normal)
    examination = Examination(tested.bench)
    tested.run(examination.script())
    record = parse_record(json.dumps(as_json(examination, [])))
    assert record == SwitchRecord(0x51, forwards, "simulation", "table pipeline", "1", has_meters=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[]", '"format"'),
        (json.dumps(report(format=2)), '"format"'),
        (json.dumps(report(format=True)), '"format"'),
        (json.dumps(report(is_complete=False)), "not complete"),
        (json.dumps(report(modes={"normal": []})), "verdict"),
        (json.dumps(report("perhaps")), "verdict"),
        (json.dumps(report(modes={"normal": {"verdict": ["works"]}})), "verdict"),
        (json.dumps(report(switch={"make": 1})), '"make"'),
        (json.dumps(report(switch={**report()["switch"], "datapath_id": "1"})), "16 hexadecimal digits"),
        (json.dumps(report(switch={**report()["switch"], "datapath_id": "-" + "0" * 15})), "16 hexadecimal digits"),
    ],
)
def test_other_contents_are_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(SwitchRecordError, match=reason):
        parse_record(text)


NAMES = [*report(), "normal", "verdict", "datapath_id", "make"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from([*report(), "normal", "verdict", "datapath_id", "make"]) | st.text(), inner
            )
        ),
    )
)
def test_no_content_is_a_fault(content: Any) -> None:
    with pytest.raises(SwitchRecordError):
        parse_record(json.dumps(content))


def test_of_several_files_the_newest_counts_and_others_are_ignored_with_one_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(report("cannot_serve")))
    (tmp_path / "b.json").write_text(json.dumps(report("works")))
    os.utime(tmp_path / "b.json", (1, 1))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "huge.json").write_bytes(b" " * (MAX_FILE_SIZE + 1))
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "notes.txt").write_text("no record")
    assert read_records(tmp_path) == {1: SwitchRecord(1, False, *MAKE[:3], "a.json")}
    assert [line.split()[2] for line in caplog.messages] == [
        f"'{name}.json'" for name in ("broken", "folder", "huge", "nowhere", "pipe")
    ]


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SwitchRecordError, match="cannot read the directory"):
        read_records(tmp_path / "absent")


def test_configuration_and_rejection_come_before_a_record_and_that_before_the_make() -> None:
    choice = LayoutChoice(64, RECORD)
    assert choice.decision[:2] == (Switching.NORMAL, SwitchingSource.DEFAULT)
    choice.on_description(MAKE)
    assert choice.decision[:2] == (Switching.NORMAL, SwitchingSource.SWITCH_TEST)
    choice.record = RECORD._replace(forwards_normal=None)
    assert choice.decision[:2] == (Switching.LEARN, SwitchingSource.MAKE)
    choice.record = RECORD
    assert choice.on_rejected(REJECTED)
    assert choice.decision[:2] == (Switching.LEARN, SwitchingSource.REJECTED)
    choice.configured = Switching.NONE
    assert choice.decision[:2] == (Switching.NONE, SwitchingSource.CONFIGURED)


def test_a_record_of_another_version_decides_nothing() -> None:
    choice = LayoutChoice(64, RECORD._replace(forwards_normal=False))
    choice.on_description(Description("Lagopus project", "hybrid", "2.0"))
    assert choice.decision.source is SwitchingSource.MAKE


def test_a_record_that_comes_or_goes_while_the_switch_is_served_takes_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served()
    switch = served.fleet.switches[1]
    assert (switch.layout.switching, switch.switching_source.value) == (Switching.NORMAL, "default")
    tested = SwitchRecord(1, False, "simulation", "table pipeline", "1", "br0.json")
    for records, expected in (({1: tested}, Switching.LEARN), ({}, Switching.NORMAL)):
        served.fleet.take_records(records)
        served.transport.answer()
        assert switch.layout.switching is expected
    assert "is ignored" not in caplog.text
    served.fleet.take_records({1: tested._replace(software="2")})
    served.fleet.configure(CONFIGURATION)
    served.transport.answer()
    assert switch.layout.switching is Switching.NORMAL
    assert caplog.text.count("'br0.json' is of another make or version (simulation table pipeline 2)") == 1


def test_a_switch_that_connects_later_is_served_as_its_record_says() -> None:
    served = Served()
    served.fleet.take_records({1: SwitchRecord(1, False, "simulation", "table pipeline", "1")})
    served.transport.close()
    served.fleet.on_disconnected(served.transport)
    served.connect()
    switch = served.fleet.switches[1]
    assert (switch.layout.switching, switch.switching_source) == (Switching.LEARN, SwitchingSource.SWITCH_TEST)


@pytest.mark.parametrize(
    ("make", "result", "uses"),
    [
        ("CPqD", "works", True),
        ("CPqD", "not_tried", False),
        ("CPqD", None, False),
        ("some other", "ignored", False),
        ("some other", "rejected", False),
        ("some other", "accepted", True),
    ],
)
def test_a_test_decides_whether_meters_are_used_and_else_the_make(make: str, result: Optional[str], uses: bool) -> None:
    tested = report("works")
    tested["switch"].update(make=make)
    tested["capabilities"] = {"meters": {"result": result}}
    choice = LayoutChoice(64, parse_record(json.dumps(tested)))
    choice.on_description(Description(make, *MAKE[1:]))
    assert choice.uses_meters is uses
