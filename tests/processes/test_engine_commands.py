"""The engines' own commands run the balancer as ``haslb-manager`` does (docs/running.md, the OpenFlow engine)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from balancer_process import balancer_process, free_port, read_until
from socket_switch import SocketSwitch


@pytest.mark.parametrize(
    ("command", "owner"), [("ryu-manager", "Ryu"), ("osken-manager", "os-ken below 3.0")], ids=["Ryu", "os-ken"]
)
def test_a_switch_is_served(tmp_path: Path, command: str, owner: str) -> None:
    manager = Path(sys.executable).with_name(command)
    if not manager.exists():
        pytest.skip(f"{command} is a command of {owner}, which is not installed here")
    port = free_port()
    with balancer_process(tmp_path, "ip slb serverfarm HAFARM\n", port, manager=manager) as process:
        assert f" with {owner.split(maxsplit=1)[0]} " in read_until(process, " started: configuration ")[-1]
        with SocketSwitch(port, 0x51):
            read_until(process, "Switch 0000000000000051: this balancer is master")
