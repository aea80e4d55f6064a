"""What ``haslb switch-test`` has found out about switches, as it was put on record: files in one directory.

Each file is the JSON of one test. Of several files about one switch the newest counts. A record decides two things:
whether output to NORMAL forwards, and whether meters are used (:mod:`.layout_choice`). It is believed only of the
switch that was tested: datapath id, make, hardware and software must be the same.

The files may have any content: one that cannot be read is left out, with one line that says why.
"""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.language.wording import printable, quoted
from ryu_haslb.openflow.wire.description import Description
from ryu_haslb.regular_file import open_regular

LOG = logging.getLogger(__name__)

#: Files that are read, and bytes of one.
MAX_FILES, MAX_FILE_SIZE = 1000, 1 << 18
#: The version of the shape of the JSON.
FORMAT = 1
_DATAPATH_ID = re.compile("[0-9a-f]{16}")
_HAS = {"works": True, "ignored": False, "rejected": False, "closes_connection": False}
_FORWARDS = {"works": True, "works_without": True, "cannot_serve": False, "not_known": None}


class SwitchRecordError(HaslbError, ValueError):
    """A file is no report of ``haslb switch-test``; the text says why."""


class SwitchRecord(NamedTuple):
    """One test. ``forwards_normal``: whether output to NORMAL forwards, and ``has_meters``: whether meters pass their
    rate and no more; None if the test does not say."""

    datapath_id: int
    forwards_normal: Optional[bool]
    make: str
    hardware: str
    software: str
    file: str = ""
    has_meters: Optional[bool] = None

    def is_of(self, description: Description) -> bool:
        """Whether a switch with this description is the one that was tested."""
        return (self.make, self.hardware, self.software) == description[:3]


def parse_record(text: str, file: str = "") -> SwitchRecord:
    """Read the JSON of ``haslb switch-test``.

    Raises:
        SwitchRecordError: it is something else.
    """
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SwitchRecordError(f"expected JSON ({printable(str(error))[:80]})") from error
    number = _value(report, "format")
    if number != FORMAT or isinstance(number, bool):
        raise SwitchRecordError(f'expected "format": {FORMAT}, as the switch-test of this version writes')
    if _value(report, "is_complete") is not True:
        raise SwitchRecordError("the test was not complete; test the switch again")
    verdict = _value(report, "modes", "normal", "verdict")
    if not isinstance(verdict, str) or verdict not in _FORWARDS:
        raise SwitchRecordError('expected a verdict in "modes", "normal"')
    make, hardware, software = (_text(report, name) for name in ("make", "hardware", "software"))
    meters = _value(report, "capabilities", "meters", "result")
    has_meters = _HAS.get(meters) if isinstance(meters, str) else None
    return SwitchRecord(_datapath_id(report), _FORWARDS[verdict], make, hardware, software, file, has_meters)


def read_records(directory: Path) -> dict[int, SwitchRecord]:
    """The records in a directory by datapath id. What cannot be read is left out and logged.

    Raises:
        SwitchRecordError: the directory cannot be listed.
    """
    try:
        paths = sorted(each for each in directory.iterdir() if each.suffix == ".json")
    except OSError as error:
        raise SwitchRecordError(f"cannot read the directory {directory}: {error.strerror}") from error
    if len(paths) > MAX_FILES:
        LOG.warning("switch-test records: %d files in %s; reading the first %d", len(paths), directory, MAX_FILES)
    found: dict[int, tuple[float, SwitchRecord]] = {}
    for path in paths[:MAX_FILES]:
        try:
            modified, text = _read(path)
            record = parse_record(text, path.name)
        except SwitchRecordError as error:
            LOG.warning("switch-test record %s is ignored: %s", quoted(path.name), error)
            continue
        if record.datapath_id not in found or found[record.datapath_id][0] <= modified:
            found[record.datapath_id] = modified, record
    return {datapath_id: record for datapath_id, (_, record) in found.items()}


def _read(path: Path) -> tuple[float, str]:
    """When a file was modified, and its text."""
    try:
        with open_regular(path) as file:
            modified = os.fstat(file.fileno()).st_mtime
            content = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise SwitchRecordError(f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_SIZE:
        raise SwitchRecordError(f"more than {MAX_FILE_SIZE} bytes")
    return modified, content.decode("utf-8", "replace")


def _value(report: Any, *names: str) -> Any:
    """What is in nested objects under these names; None if it is not there."""
    for name in names:
        report = report.get(name) if isinstance(report, dict) else None
    return report


def _text(report: Any, name: str) -> str:
    value = _value(report, "switch", name)
    if not isinstance(value, str):
        raise SwitchRecordError(f'expected a text in "switch", "{name}"')
    return value


def _datapath_id(report: Any) -> int:
    text = _text(report, "datapath_id")
    if _DATAPATH_ID.fullmatch(text) is None:
        raise SwitchRecordError('expected 16 hexadecimal digits in "switch", "datapath_id"')
    return int(text, 16)
