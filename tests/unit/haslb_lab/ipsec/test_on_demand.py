"""When associations are negotiated, and what becomes of them when charon dies.

charon is a stand-in here; the lab has the real one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Optional

import pytest

from haslb_lab.ipsec import negotiation
from haslb_lab.ipsec import on_demand as ipsec
from haslb_lab.ipsec.on_demand import Ipsec
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.ipsec import charon as client
from ryu_haslb.ipsec.associations import IkeAssociation, read_associations
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.translation import translate

NAME = "MAP-10-1"
COMMON = """\
crypto isakmp policy 1
  authentication pre-share
crypto ipsec transform-set SET esp-aes esp-sha-hmac
interface FastEthernet1/0
  ip address 15.1.1.51 255.0.0.0
  crypto map MAP
"""
PEER = """\
crypto isakmp key cisco address 15.1.1.{number}
crypto map MAP {number} ipsec-isakmp
  set peer 15.1.1.{number}
  set transform-set SET
  match address {access_list}
access-list {access_list} permit ip host 15.1.1.51 host 15.1.2.{number}
"""


class FakeCharon:
    """charon as Ipsec sees it: a process, and what answers at its socket."""

    def __init__(self) -> None:
        self.vici = Path("/nowhere/charon.vici")
        self.starts = 0
        self.negotiated: list[str] = []
        self.failure: Optional[str] = None
        self.up: list[IkeAssociation] = []
        self.breaks: Optional[Exception] = None
        self.peers_answer = threading.Event()
        self.peers_answer.set()
        self.listeners = 0
        self._hung_up = threading.Event()
        self._dead = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        self._dead.clear()

    async def wait(self) -> int:
        await self._dead.wait()
        return -9

    async def stop(self) -> None:
        self.die()
        self.peers_answer.set()

    def die(self) -> None:
        self.up = []
        self._dead.set()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection of the listener."""
        heard, self._hung_up = self._hung_up, threading.Event()
        heard.set()

    # What answers at the socket

    def load(self, _: str, __: Any) -> None:
        if self.breaks is not None:
            raise self.breaks

    def associations(self, _: str) -> list[IkeAssociation]:
        if self._dead.is_set():
            raise CharonError("dead")
        return self.up

    def negotiate(self, _: str, association: str, __: IPv4Address) -> Optional[str]:
        self.negotiated.append(association)
        self.peers_answer.wait()
        if self.failure is None:
            child = {"name": association, "uniqueid": "1", "state": "INSTALLED", "protocol": "ESP"}
            self.up = read_associations([{"MAP-10": {"uniqueid": "1", "child-sas": {"1": child}}}])
        return self.failure

    def events(self, _: str) -> list[list[IkeAssociation]]:
        hung_up = self._hung_up
        if self._dead.is_set():
            raise CharonError("dead")
        self.listeners += 1
        hung_up.wait()
        return []


def play(
    monkeypatch: pytest.MonkeyPatch, scene: Callable[[Ipsec, FakeCharon], Awaitable[None]], peers: int = 1
) -> None:
    """Open an Ipsec on a stand-in and let the scene go on, without pauses."""

    async def run() -> None:
        charon = FakeCharon()
        monkeypatch.setattr(ipsec, "RETRY_INTERVAL", 0.0)
        monkeypatch.setattr(client, "load", charon.load)
        monkeypatch.setattr(client, "associations", charon.associations)
        monkeypatch.setattr(negotiation, "negotiate", charon.negotiate)
        monkeypatch.setattr(negotiation, "events", charon.events)
        text = COMMON + "".join(PEER.format(number=10 + each, access_list=101 + each) for each in range(peers))
        translation = translate(read_configuration(text, "pdsn.ios")[0], "FastEthernet1/0")
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
        assert await kept.wait(30) is None
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_a_storm_of_packets_is_one_negotiation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each packet asks; one is under way."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        for _ in range(1000):
            kept.need(NAME)
        assert await kept.wait(30) is None
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_what_is_up_is_not_negotiated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet that was late to ask."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.begin()
        assert await kept.wait(30) is None
        kept.need(NAME)
        await asyncio.sleep(0.05)
        assert charon.negotiated == [NAME]

    play(monkeypatch, scene)


def test_what_has_gone_unnoticed_is_negotiated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic meets the loss before charon's event arrives."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.begin()
        assert await kept.wait(30) is None
        charon.up = []
        kept.need(NAME)
        assert await kept.wait(30) is None
        assert charon.negotiated == [NAME, NAME]

    play(monkeypatch, scene)


def test_a_wait_returns_the_reason_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the log has it once, however often it is tried."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        charon.failure = "15.1.1.10 does not answer"
        for _ in range(3):
            kept.need(NAME)
            assert await kept.wait(0.1) == f"{NAME}: 15.1.1.10 does not answer"
        assert capsys.readouterr().err == f"{NAME}: 15.1.1.10 does not answer\n"
        charon.failure = None
        kept.need(NAME)
        assert await kept.wait(30) is None

    play(monkeypatch, scene)


def test_a_charon_that_died_is_replaced_and_what_was_up_negotiated_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The peer learns by that that the old associations are dead."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        kept.need(NAME)
        assert await kept.wait(30) is None
        charon.die()
        assert await kept.wait(30) is None
        assert (charon.starts, charon.negotiated) == (2, [NAME, NAME])
        assert capsys.readouterr().err == "charon ended with status -9; starting it again\n"

    play(monkeypatch, scene)


def test_silent_peers_do_not_delay_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than Python's own pool of threads has on any machine: 32."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        charon.peers_answer.clear()
        names = {f"MAP-{10 + each}-1" for each in range(40)}
        for name in names:
            kept.need(name)
        assert await asyncio.wait_for(kept.associations(), 2) == []
        while set(charon.negotiated) != names:
            await asyncio.sleep(0.01)

    play(monkeypatch, scene, peers=40)


def test_a_charon_that_hangs_up_and_lives_is_listened_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been too busy to answer in time."""

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        for number in (1, 2, 3):
            while charon.listeners < number:
                await asyncio.sleep(0.01)
            charon.hang_up()
        kept.need(NAME)
        assert await kept.wait(30) is None
        assert charon.starts == 1

    play(monkeypatch, scene)


def test_an_unexpected_exception_ends_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A charon that is dead and never started again would be worse: its node would say that it is ready."""

    async def scene(_: Ipsec, charon: FakeCharon) -> None:
        charon.breaks = LookupError("a bug")
        charon.die()
        await asyncio.Event().wait()

    with pytest.raises(LookupError, match="a bug"):
        play(monkeypatch, scene)


def test_traffic_that_comes_while_the_node_ends_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PDSN reads what its routes lead astray until they are gone, and charon goes first."""
    played: list[FakeCharon] = []

    async def scene(kept: Ipsec, charon: FakeCharon) -> None:
        stop = charon.stop

        async def stop_late() -> None:
            kept.need(NAME)
            await stop()

        monkeypatch.setattr(charon, "stop", stop_late)
        played.append(charon)

    play(monkeypatch, scene)
    assert played[0].negotiated == []
