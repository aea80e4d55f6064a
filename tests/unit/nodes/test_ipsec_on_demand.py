"""When associations are negotiated, and what becomes of them when charon dies.

charon is a stand-in here; the lab has the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Optional

import pytest
from ipsec import on_demand as ipsec
from ipsec.on_demand import Ipsec

from ryu_haslb.ios.reader import read_configuration
from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.translation import translate

NAME = "MAP-10-1"
TEXT = """\
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


class FakeCharon:
    """charon as Ipsec sees it: a process, and what answers at its socket."""

    def __init__(self) -> None:
        self.vici = Path("/nowhere/charon.vici")
        self.starts = 0
        self.negotiated: list[str] = []
        self.failure: Optional[str] = None
        self.up: list[IkeAssociation] = []
        self.slow = asyncio.Event()
        self.slow.set()
        self._dead = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        self._dead.clear()

    async def wait(self) -> int:
        await self._dead.wait()
        return -9

    async def stop(self) -> None:
        pass

    def die(self) -> None:
        self.up = []
        self._dead.set()

    # What answers at the socket

    def load(self, _: str, __: Any) -> None:
        pass

    def associations(self, _: str) -> list[IkeAssociation]:
        if self._dead.is_set():
            raise CharonError("dead")
        return self.up

    def negotiate(self, _: str, association: str, __: IPv4Address) -> Optional[str]:
        self.negotiated.append(association)
        if self.failure is None:
            child = {"name": association, "uniqueid": "1", "state": "INSTALLED", "protocol": "ESP"}
            self.up = read_associations([{"MAP-10": {"uniqueid": "1", "child-sas": {"1": child}}}])
        return self.failure

    def events(self, _: str) -> list[list[IkeAssociation]]:
        return []


def play(monkeypatch: pytest.MonkeyPatch, scene: Callable[[Ipsec, FakeCharon], Awaitable[None]]) -> None:
    """Open an Ipsec on a stand-in and let the scene go on, without pauses."""

    async def run() -> None:
        charon = FakeCharon()
        monkeypatch.setattr(ipsec, "PAUSE", 0.0)
        monkeypatch.setattr(ipsec.client, "load", charon.load)
        monkeypatch.setattr(ipsec.client, "associations", charon.associations)
        monkeypatch.setattr(ipsec.negotiation, "negotiate", charon.negotiate)
        monkeypatch.setattr(ipsec.negotiation, "events", charon.events)
        translation = translate(read_configuration(TEXT, "pdsn.ios")[0], "FastEthernet1/0")
        kept = Ipsec(translation, charon)  # type: ignore[arg-type]
        await kept.open()
        try:
            await asyncio.wait_for(scene(kept, charon), 10)
        finally:
            await kept.close()

    asyncio.run(run())


def test_an_association_is_negotiated_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: as on IOS."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        assert await kept.wait(0.05) == f"{NAME}: not negotiated yet"
        assert charon.negotiated == []
        kept.need(NAME)
        assert await kept.wait(5) is None
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_a_storm_of_packets_is_one_negotiation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each packet asks; one is under way."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        for _ in range(1000):
            kept.need(NAME)
        assert await kept.wait(5) is None
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_what_is_up_is_not_negotiated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet that was late to ask."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.begin()
        assert await kept.wait(5) is None
        kept.need(NAME)
        await asyncio.sleep(0.05)
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_what_has_gone_unnoticed_is_negotiated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic knows before charon has told."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.begin()
        assert await kept.wait(5) is None
        charon.up = []
        kept.need(NAME)
        assert await kept.wait(5) is None
        assert charon.negotiated == [NAME, NAME]

    play(monkeypatch, scene)


def test_whoever_waits_learns_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the log has it once, however often it is tried."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        charon.failure = "15.1.1.15 does not answer"
        for _ in range(3):
            kept.need(NAME)
            assert await kept.wait(0.1) == f"{NAME}: 15.1.1.15 does not answer"
        assert capsys.readouterr().err == f"{NAME}: 15.1.1.15 does not answer\n"
        charon.failure = None
        kept.need(NAME)
        assert await kept.wait(5) is None

    play(monkeypatch, scene)


def test_a_charon_that_died_is_replaced_and_what_was_up_negotiated_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The peer learns by that that the old associations are dead."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.need(NAME)
        assert await kept.wait(5) is None
        charon.die()
        assert await kept.wait(5) is None
        assert (charon.starts, charon.negotiated) == (2, [NAME, NAME])
        assert capsys.readouterr().err == "charon ended with status -9; starting it again\n"

    play(monkeypatch, scene)
