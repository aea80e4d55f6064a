"""What tests of the lab have its Open vSwitch do."""

from __future__ import annotations

import subprocess

from haslb_lab.chassis.one_switch import SWITCH


def forget_fast_path() -> None:
    """Have the next frames go by the rules that Open vSwitch has confirmed: its fast path follows them a while later,
    the later the more flows there are in it, and frames go the old way until then."""
    subprocess.run(["ovs-appctl", "revalidator/purge"], check=True)


def count_fast_path() -> None:
    """Have Open vSwitch add what its fast path has counted to the counters of the rules."""
    subprocess.run(["ovs-appctl", "revalidator/wait"], check=True)


def limit_rules(table: int, rules: int) -> None:
    """Give a table room for so many rules: Open vSwitch rejects what exceeds ``flow_limit``, OFPFMFC_TABLE_FULL."""
    limit = ["--", "--id=@t", "create", "Flow_Table", f"flow_limit={rules}", "overflow_policy=refuse"]
    bridge = ["ovs-vsctl", "set", "Bridge", SWITCH, f"flow_tables:{table}=@t"]
    subprocess.run([*bridge, *limit], check=True, capture_output=True)


def unlimit_rules() -> None:
    """Give every table as much room as the machine has."""
    subprocess.run(["ovs-vsctl", "clear", "Bridge", SWITCH, "flow_tables"], check=True)


def dump_meters() -> str:
    """The meters of the first switch, as ``ovs-ofctl`` prints them."""
    words = ["ovs-ofctl", "-O", "OpenFlow13", "dump-meters", SWITCH]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
