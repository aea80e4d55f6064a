"""``haslb switch-test`` against Open vSwitch, with two ports that are connected; what it makes is gone behind it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from balancer_process import free_port
from own_switch import OwnSwitch

from ryu_haslb.openflow.capabilities.capabilities import Capability

pytestmark = pytest.mark.lab

COMMAND = [sys.executable, "-c", "import sys; from ryu_haslb.cli.command_line import main; sys.exit(main())"]
#: Seconds after which it hangs.
HARD_LIMIT = 300
#: Rules of others: a session rule of the balancer, and one with the cookie of the test.
RULES = (
    "cookie=0x1251b7,table=1,priority=50000,dl_src=02:00:00:00:00:01,actions=drop",
    "cookie=0x17e57,priority=7,dl_src=02:00:00:00:00:02,actions=drop",
)


def without_counters(rules: str) -> list[str]:
    return sorted(re.findall(r"(cookie=\S+|table=\S+|priority=.*)", rules))


def test_open_vswitch_works_in_every_mode_and_keeps_the_rules_of_others(tmp_path: Path) -> None:
    switch, port = OwnSwitch(tmp_path / "switch", 0x51), free_port()
    with switch.running():
        switch.add_bridge()
        switch.connect_ports("near", "far")
        switch.connect(f"tcp:127.0.0.1:{port}")  # which empties its tables
        switch.add_rules(*RULES)
        before = without_counters(switch.rules())
        assert len(before) == 3 * len(RULES)
        words = ["switch-test", "--listen", f"127.0.0.1:{port}", "--ports", "near,far", "--fill", "2000", "--json"]
        ended = subprocess.run(
            [*COMMAND, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=HARD_LIMIT,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        assert ended.returncode == 0, ended.stderr
        assert without_counters(switch.rules()) == before
        assert "meter=" not in switch.meters()
    report = json.loads(ended.stdout)
    assert {each for each, seen in report["capabilities"].items() if seen["result"] == "works"} == {
        each.value for each in Capability
    }
    assert {mode: judged["verdict"] for mode, judged in report["modes"].items()} == dict.fromkeys(
        ("dispatched", "direct", "vlan", "normal", "learn", "cluster"), "works"
    )
    assert report["measurements"]["table_capacity"]["value"] == 2000
    assert (report["rules_left"], report["reconnections"], report["remarks"]) == (0, 0, [])
