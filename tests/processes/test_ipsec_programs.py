"""Programs with a crypto map that cannot start: one line that names the place, and an exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from node_processes import ENVIRONMENT, PROGRAM_TIMEOUT

from haslb_lab.checkout import PROGRAMS

MAP = """\
crypto isakmp policy 1
  authentication pre-share
crypto isakmp key cisco address 15.1.1.15
crypto ipsec transform-set SET esp-aes esp-sha-hmac
crypto map MAP 10 ipsec-isakmp
  set peer 15.1.1.15
  set transform-set SET
  match address 101
interface FastEthernet1/0
  ip address 15.1.1.51 255.0.0.0
  crypto map MAP
access-list 101 permit ip host 15.1.1.51 host 15.1.1.10
"""
MODULE = ["ipsec_module.py", "--inside", "none0", "--outside", "none1", "--inside-vlan", "15", "--outside-vlan", "16"]
PDSN = ["pdsn.py", "--address", "127.0.0.2", "--home-agent", "127.0.0.1", "--port", "14444"]


def run(tmp_path: Path, program: list[str], *options: str) -> tuple[int, str]:
    """The exit status of a program that does not start, and what it says."""
    ended = subprocess.run(
        [sys.executable, str(PROGRAMS / program[0]), *program[1:], "--control", str(tmp_path / "control"), *options],
        capture_output=True,
        text=True,
        timeout=PROGRAM_TIMEOUT,
        check=False,
        env=ENVIRONMENT,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("program", [MODULE, PDSN])
@pytest.mark.parametrize(
    ("text", "interface", "expected"),
    [
        (MAP, "FastEthernet1/1", "interface FastEthernet1/1 has no crypto map; expected FastEthernet1/0"),
        (MAP.replace("  set peer 15.1.1.15\n", ""), "FastEthernet1/0", "node.ios:"),
        ("crypto isakmp policy x", "FastEthernet1/0", "node.ios:1:"),
        (None, "FastEthernet1/0", "node.ios: cannot be read"),
    ],
)
def test_a_configuration_without_a_usable_crypto_map_is_an_error(
    tmp_path: Path, program: list[str], text: Optional[str], interface: str, expected: str
) -> None:
    """Before anything is changed in the namespace."""
    if text is not None:
        (tmp_path / "node.ios").write_text(text)
    status, output = run(tmp_path, program, "--config", str(tmp_path / "node.ios"), "--interface", interface)
    assert status == 1
    assert expected in output.splitlines()[-1]
    assert "Traceback" not in output


@pytest.mark.parametrize("options", [["--config", "x.ios"], ["--interface", "FastEthernet1/0"]])
def test_a_pdsns_configuration_and_interface_need_each_other(tmp_path: Path, options: list[str]) -> None:
    """One option needs the other."""
    status, output = run(tmp_path, PDSN, *options)
    assert (status, output.splitlines()[-1]) == (2, "pdsn.py: error: --config and --interface need each other")


@pytest.mark.parametrize("vlan", ["0", "4095", "x", "-1"])
def test_a_vlan_that_is_none_is_an_error(tmp_path: Path, vlan: str) -> None:
    """IEEE 802.1Q: 1 to 4094."""
    status, output = run(tmp_path, MODULE, "--config", "x", "--interface", "Vlan15", f"--inside-vlan={vlan}")
    assert status == 2
    assert "is not a number from 1 to 4094" in output


def test_a_trunk_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """Without root the error is the missing permission."""
    (tmp_path / "node.ios").write_text(MAP)
    options = ["--config", str(tmp_path / "node.ios"), "--interface", "FastEthernet1/0"]
    status, output = run(tmp_path, MODULE, *options)
    assert status == 1
    assert output.splitlines()[-1].startswith("ipsec_module.py: cannot open the trunk none0: ")
