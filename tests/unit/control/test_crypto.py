"""``show crypto`` and ``clear crypto`` of the balancer: with an IPsec module that answers, and without one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from control_process import Application
from vici_peer import IKE, charon, serving

from ryu_haslb.configuration.loader import load
from ryu_haslb.control.difference import changes
from ryu_haslb.control.execution import execute
from ryu_haslb.control.protocol import SEPARATOR

CHAPTER = Path(__file__).parents[3] / "topologies" / "chapter"
EXAMPLE = load(CHAPTER / "5-direct-ipsec-tunnel.ios").configuration


def show(application: Application, *words: str) -> list[str]:
    return [line for line in execute(application, words).lines if line is not None]


@pytest.fixture(name="application")
def with_ipsec() -> Application:
    """The balancer of example 5."""
    application = Application()
    application.configure(EXAMPLE)
    return application


@pytest.fixture(name="asked")
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """An IPsec module with one pair of associations and four send errors; yields the requests that it got."""
    asked: list[Any] = []

    def control(client: socket.socket) -> None:
        asked.append(client.recv(1024))
        client.sendall(b'{"Vlan15": {"send_errors": 4}}')

    with ExitStack() as stack:
        serve: dict[str, Callable[[socket.socket], None]] = {
            "HASLB_VICI": charon([{"l2tpmap-10": IKE}], asked),
            "HASLB_VICI_COUNTERS": control,
        }
        for variable, each in serve.items():
            monkeypatch.setenv(variable, stack.enter_context(serving(tmp_path / variable, each)))
        yield asked


@pytest.mark.usefixtures("asked")
def test_show_crypto_ipsec_sa_is_the_chapters_block(application: Application) -> None:
    lines = show(application, "sh", "crypto", "ipsec", "sa")
    assert lines[1:3] == ["interface: Vlan15", "  Crypto map tag: l2tpmap, local addr. 10.1.1.15"]
    assert "  #pkts decaps: 3, #pkts decrypt: 3, #pkts verify 3" in lines
    assert "  #send errors 4, #recv errors 0" in lines


@pytest.mark.usefixtures("asked")
def test_show_crypto_is_there_as_json(application: Application) -> None:
    (row,) = json.loads("".join(show(application, "show", "crypto", "ipsec", "sa", "--json")))
    assert (row["current_peer"], row["encaps"], len(row["associations"])) == ("10.1.1.51", 4, 2)
    (peer,) = json.loads("".join(show(application, "show", "crypto", "isakmp", "sa", "--json")))
    assert peer == {"dst": "15.1.1.15", "src": "15.1.1.51", "state": "QM_IDLE", "conn_id": 1, "slot": 0}


@pytest.mark.usefixtures("asked")
def test_what_the_module_counts_stands_at_its_own_interface_alone(application: Application) -> None:
    """A module serves one interface; another may use the same crypto map."""
    config = ["interface Vlan25", "ip address 16.1.1.15 255.0.0.0", "crypto map l2tpmap"]
    assert not [line for line in show(application, "config", SEPARATOR.join(config)) if line.startswith("%")]
    rows = json.loads("".join(show(application, "show", "crypto", "ipsec", "sa", "--json")))
    assert [(row["interface"], row["send_errors"]) for row in rows] == [("Vlan15", 4), ("Vlan25", 0)]


def test_clear_crypto_sa_ends_associations_and_counts_from_zero(application: Application, asked: list[Any]) -> None:
    assert show(application, "clear", "crypto", "sa") == ["1 pairs of security associations cleared"]
    assert [each[1]["child-id"] for each in asked if each[0] == "terminate"] == [b"1"]
    assert asked[-1] == b"clear crypto counters\n"


def test_clear_crypto_isakmp_ends_the_associations_of_ike(application: Application, asked: list[Any]) -> None:
    assert show(application, "clear", "crypto", "isakmp") == ["1 ISAKMP associations cleared"]
    assert [each[1]["ike-id"] for each in asked if each[0] == "terminate"] == [b"1"]


@pytest.mark.parametrize("command", ["show crypto ipsec sa", "show crypto isakmp sa", "clear crypto sa"])
def test_a_module_that_does_not_run_is_one_line_that_says_what_to_do(
    command: str, application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASLB_VICI", f"{tmp_path}/vici")
    (line,) = show(application, *command.split())
    assert line == (
        f"% no charon answers at {tmp_path}/vici; start the IPsec module, or set HASLB_VICI to its charon's vici socket"
    )


@pytest.mark.usefixtures("asked")
def test_a_module_that_does_not_count_is_named(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASLB_VICI_COUNTERS", f"{tmp_path}/absent")
    (line,) = show(application, "show", "crypto", "ipsec", "sa")
    assert line.startswith(f"% request to the IPsec module at {tmp_path}/absent failed: ")


def test_without_a_crypto_map_the_module_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASLB_VICI", f"{tmp_path}/vici")
    assert show(Application(), "show", "crypto", "ipsec", "sa") == []
    assert show(Application(), "clear", "crypto", "sa") == ["0 pairs of security associations cleared"]


def test_a_changed_tunnel_comes_with_the_note_to_restart_the_module(application: Application) -> None:
    remark = "the IPsec configuration has changed; restart the IPsec module with this configuration to apply it"
    policy = SEPARATOR.join(["crypto isakmp policy 1", "group 2"])
    assert show(application, "config", policy) == ["+ crypto isakmp policy 1 / group 2", remark]
    assert remark not in show(application, "config", "interface FastEthernet3/16\x1fcrypto connect vlan 15")


def test_a_changed_key_is_listed_and_masked(application: Application) -> None:
    """The changes end up in the log."""
    before = application.configuration
    show(application, "config", "crypto isakmp key s3cret address 10.1.1.51")
    assert list(changes(before, application.configuration)) == [
        "- crypto isakmp key **** address 10.1.1.51",
        "+ crypto isakmp key **** address 10.1.1.51",
    ]
