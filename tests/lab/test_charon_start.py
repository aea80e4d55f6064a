"""A charon that does not start as it should: an error in one line, and nothing left behind. Needs root, but no lab."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest
from bench import wait_until

from haslb_lab.ipsec import charon
from haslb_lab.ipsec.charon import Charon

pytestmark = pytest.mark.lab


def program(directory: Path, text: str) -> str:
    """A program that stands in for charon."""
    path = directory / "charon"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def processes_of(program: str) -> list[int]:
    """The processes that run this program, by what they were started with."""
    return [each.pid for each in psutil.process_iter(["cmdline"]) if program in (each.info["cmdline"] or ())]


def start(directory: Path) -> list[str]:
    """Start it and stop it again; what it was heard to say."""
    heard: list[str] = []

    async def run() -> None:
        started = Charon(directory / "charon.vici", heard.append)
        try:
            await started.start()
        finally:
            await started.stop()

    asyncio.run(run())
    return heard


def test_what_charon_said_last_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log has the rest."""
    monkeypatch.setattr(charon, "PROGRAM", program(tmp_path, "echo first; echo 'no such plugin' >&2; exit 3"))
    with pytest.raises(OSError, match=r"charon does not start: no such plugin$"):
        start(tmp_path)


def test_a_charon_that_is_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what is missing."""
    monkeypatch.setattr(charon, "PROGRAM", str(tmp_path / "nothing"))
    with pytest.raises(OSError, match=r"nothing does not start: .*No such file"):
        start(tmp_path)


def test_a_charon_that_hangs_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness must not hang the lab."""
    monkeypatch.setattr(charon, "CHARON_TIMEOUT", 0.3)
    path = program(tmp_path, f"trap '' TERM; read forever < {tmp_path}/fifo")
    monkeypatch.setattr(charon, "PROGRAM", path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match=r"does not start within 0\.3 seconds"):
        start(tmp_path)
    wait_until(lambda: not processes_of(path), "its process has ended")


def test_its_run_directory_is_its_own_but_for_the_nodes_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two charons write ``/run/charon.pid``; each finds its settings where its node has put them."""
    say = "echo run: $(ls /run); cat $STRONGSWAN_CONF; echo spawning 1 worker threads; exec sleep 60"
    monkeypatch.setattr(charon, "PROGRAM", program(tmp_path, say))
    heard = start(tmp_path)
    assert not {"charon.pid", "openvswitch"} & set(heard[0].split())
    assert f"      socket = unix://{tmp_path}/charon.vici" in heard
    assert not Path("/run/charon.pid").exists()
