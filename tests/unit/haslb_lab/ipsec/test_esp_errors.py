"""What charon's userspace ESP complains about is counted as IOS counts it, and its settings are what it understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from haslb_lab.ipsec import esp_errors
from haslb_lab.ipsec.charon import OWN_ROUTING, Routing, settings
from haslb_lab.ipsec.esp_errors import CharonLog


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CharonLog:
    """A log beside a kernel without ESP."""
    monkeypatch.setattr(esp_errors, "_STATISTICS", tmp_path / "xfrm_stat")
    return CharonLog(tmp_path / "charon.log")


@pytest.mark.parametrize(
    "line",
    [
        "07[ESP] no matching outbound IPsec policy for 15.1.1.51 == 15.1.1.10 [17]",
        "07[ESP] could not find an outbound IPsec SA for reqid {1}, dropping packet",
    ],
)
def test_a_packet_that_could_not_be_encrypted_is_a_send_error(log: CharonLog, line: str) -> None:
    """``#send errors``."""
    log.add(line)
    assert (log.send_errors, log.recv_errors) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [
        "08[ESP] ESP sequence number verification failed:",
        "08[ESP] ESP decryption or ICV verification failed",
        "08[ESP] inbound ESP packet does not belong to an installed SA",
        "08[ESP] discarding inbound IP packet 15.1.1.51 == 15.1.1.99 [1] due to policy",
    ],
)
def test_a_packet_that_is_refused_is_a_receive_error(log: CharonLog, line: str) -> None:
    """``#recv errors``: replays, forgeries, and what the access list does not allow."""
    log.add(line)
    assert (log.send_errors, log.recv_errors) == (0, 1)


def test_what_the_kernels_esp_has_dropped_counts_as_well(log: CharonLog, tmp_path: Path) -> None:
    """The kernel's ESP writes no log."""
    log.add("08[ESP] ESP sequence number verification failed:")
    (tmp_path / "xfrm_stat").write_text(
        "XfrmInStateSeqError \t2\nXfrmInNoStates\t3\nXfrmOutNoStates\t7\nXfrmFwdHdrError\t9\n"
    )
    assert (log.send_errors, log.recv_errors) == (7, 6)


def test_what_is_counted_is_not_written(log: CharonLog, tmp_path: Path) -> None:
    """A flood of garbage must not fill the disk."""
    log.add("08[ESP] ESP decryption or ICV verification failed")
    log.add("09[IKE] initiating Main Mode")
    log.close()
    assert (tmp_path / "charon.log").read_text() == "09[IKE] initiating Main Mode\n"


def test_esp_is_the_kernels_where_it_has_it() -> None:
    """kernel-libipsec would take ESP away from it."""
    assert "kernel-libipsec" not in _plugins(settings(Path("/x"), kernel_esp=True, routing=OWN_ROUTING))
    assert "kernel-libipsec" in _plugins(settings(Path("/x"), kernel_esp=False, routing=OWN_ROUTING))


def test_the_routing_is_the_nodes() -> None:
    """A module's charon must not route where its program does."""
    text = settings(Path("/run/x.vici"), False, Routing(table=222, preference=40000))
    assert "routing_table = 222\n" in text
    assert "routing_table_prio = 40000\n" in text
    assert "unix:///run/x.vici" in text


def _plugins(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.strip().startswith("load =")]
    return line.split()
