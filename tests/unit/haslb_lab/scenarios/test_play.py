"""What a scenario needs to be played."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from haslb_lab.errors import LabError
from haslb_lab.scenarios.display import Display
from haslb_lab.scenarios.play import Play
from haslb_lab.scenarios.scenario import FOLDER, find

DISPATCHED = (FOLDER / "dispatched-static" / "chassis.yaml").read_text()
EMPTY_FARM = """\
ip slb serverfarm EMPTY
ip slb vserver MIPSLB
  virtual 10.1.1.10 udp 434 service ipmobile
  serverfarm EMPTY
  inservice
"""


@pytest.mark.parametrize("what", ["PDSN", "home agent"])
def test_a_chassis_without_pdsn_or_home_agent_is_refused(tmp_path: Path, what: str) -> None:
    """Such a description can be drawn, but not played."""
    text = DISPATCHED.partition("pdsns:")[0]
    if what == "home agent":
        text = DISPATCHED.replace(DISPATCHED[DISPATCHED.index("    sami:") : DISPATCHED.index("pdsns:")], "")
    for file in (FOLDER / "dispatched-static").glob("*.ios"):
        (tmp_path / file.name).write_text(file.read_text())
    if what == "home agent":
        (tmp_path / "slb.ios").write_text(EMPTY_FARM)
    (tmp_path / "chassis.yaml").write_text(text)
    with pytest.raises(LabError, match=rf"chassis\.yaml has no {what}; a call flow needs one"):
        Play(find(str(tmp_path / "chassis.yaml")), None, Display(Console(file=io.StringIO())))
