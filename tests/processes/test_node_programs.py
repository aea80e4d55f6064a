"""The node programs as processes on loopback addresses: real sockets, real time, lost replies, wrong keys, signals."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from node_processes import ENVIRONMENT, HOME_AGENT, PDSN, PROGRAM_TIMEOUT, RELAY, Lab, Node

from haslb_lab.checkout import PROGRAMS
from haslb_lab.node import control
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cli.client import ControlError


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    nodes = Lab(tmp_path)
    yield nodes
    nodes.close()


def test_sessions_open_and_close_and_both_sides_agree(lab: Lab) -> None:
    """Chapter: the call flow, steps 1 and 3 to 6. A busy machine must not make the PDSN retransmit."""
    home_agent, pdsn = lab.home_agent(), lab.pdsn("--retransmit", "60")
    result = pdsn.run("register 1 100")
    assert (result["registered"], result["failed"], result["of"]) == (100, 0, 100)
    assert result["home_agents"] == {HOME_AGENT: 100}
    assert home_agent.ask("show ip mobile binding summary") == "Mobility Binding List:\nTotal 100\n"
    assert pdsn.ask("show ip mobile visitor summary") == "Mobile Visitor List:\nTotal 100\n"
    bindings = home_agent.json("show ip mobile binding")["bindings"]
    visitors = pdsn.json("show ip mobile visitor")["visitors"]
    assert {(b["nai"], b["home_address"]) for b in bindings} == {(v["nai"], v["home_address"]) for v in visitors}
    assert {b["care_of_address"] for b in bindings} == {PDSN}
    assert pdsn.run("deregister 1 40")["deregistered"] == 40
    assert home_agent.json("show ip mobile binding summary") == {"total": 60}
    assert pdsn.json("show ip mobile visitor summary") == {"total": 60}
    assert home_agent.ask("clear ip mobile binding") == "Cleared 60 bindings\n"
    traffic = home_agent.json("show ip mobile traffic")
    assert (traffic["registered"], traffic["deregistered"], traffic["denied"]) == (100, 40, {})


def test_long_forms_show_each_mobile_like_ios(lab: Lab) -> None:
    home_agent, pdsn = lab.home_agent("--home-network", "10.201.0.0/24"), lab.pdsn()
    pdsn.run("register 5 1")
    shown = home_agent.ask("show ip mobile binding").splitlines()
    assert shown[:5] == [
        "Mobility Binding List:",
        "Total 1",
        "mwts-mip-np-user5@ispxyz.com:",
        "    Home Addr 10.201.0.1",
        f"    Care-of Addr {PDSN}, Src Addr {PDSN}",
    ]
    assert re.search(r"Lifetime granted 00:10:00 \(600\), remaining 00:0\d:\d\d", shown[5])
    shown = pdsn.ask("show ip mobile visitor").splitlines()
    assert shown[2:4] == ["mwts-mip-np-user5@ispxyz.com:", "    Home addr 10.201.0.1"]
    assert f"HA addr {HOME_AGENT}" in shown[4]
    for node in (home_agent, pdsn):
        assert node.ask("show ip mobile traffic").startswith("IP Mobility traffic:\n")


def test_lost_replies_are_made_up_for_by_retransmissions_without_second_bindings(lab: Lab) -> None:
    home_agent = lab.home_agent()
    relay, pdsn = lab.relayed_pdsn(lambda reply, number: not (reply and number < 20))
    result = pdsn.run("register 1 20")
    assert (result["registered"], result["failed"]) == (20, 0)
    assert result["retransmissions"] >= 20
    assert home_agent.json("show ip mobile binding summary") == {"total": 20}
    assert all(visitor["retransmissions"] >= 1 for visitor in pdsn.json("show ip mobile visitor")["visitors"])
    relay.await_requests(20 + result["retransmissions"])


def test_without_any_reply_a_registration_fails_after_its_retries(lab: Lab) -> None:
    relay, pdsn = lab.relayed_pdsn(lambda *_: False, "--retries", "2")
    result = pdsn.run("register 1 3")
    assert (result["registered"], result["failures"]) == (0, {"no reply": 3})
    relay.await_requests(9)


def test_with_a_wrong_key_no_mobile_registers_and_both_sides_show_the_reason(lab: Lab) -> None:
    home_agent, pdsn = lab.home_agent("--key-hex", "aabb"), lab.pdsn("--retries", "1")
    assert pdsn.run("register 1 2")["failures"] == {"no reply": 2}
    traffic = "show ip mobile traffic"  # of which the last may come when the PDSN has given up
    wait_until(lambda: home_agent.json(traffic)["denied"] == {"131": 4}, "all are denied", PROGRAM_TIMEOUT)
    wait_until(lambda: pdsn.json(traffic)["failed_authentication"] == 4, "no reply is believed", PROGRAM_TIMEOUT)
    assert home_agent.json("show ip mobile binding summary") == {"total": 0}


def test_a_full_home_agent_denies_the_rest(lab: Lab) -> None:
    lab.home_agent("--max-bindings", "3")
    result = lab.pdsn().run("register 1 5")
    assert (result["registered"], result["failures"]) == (3, {"130 insufficient resources": 2})


def test_a_request_for_another_home_agent_is_denied(lab: Lab) -> None:
    lab.home_agent("--virtual-address", "127.0.0.9")
    pdsn = lab.pdsn("--home-agent-field", "127.0.0.8")
    assert pdsn.run("register 1 1")["failures"] == {"136 unknown home agent address": 1}


@pytest.mark.parametrize(("options", "source"), [((), "127.0.0.7"), (("--dynamic-address", "127.0.0.6"), "127.0.0.6")])
def test_the_reply_comes_from_the_dynamic_address_or_else_from_where_the_request_went(
    lab: Lab, options: tuple[str, ...], source: str
) -> None:
    """Chapter: dynamic-address sets the source address and the home agent field of the reply."""
    port = lab.home_agent_port
    lab.start("home_agent.py", "--address", HOME_AGENT, "--listen-port", str(port), *options)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mobile:
        mobile.settimeout(PROGRAM_TIMEOUT)
        mobile.bind((PDSN, 0))
        mobile.sendto(bytes.fromhex("01000258 00000000 00000000 7f000002 0000000000000001"), ("127.0.0.7", port))
        reply, sender = mobile.recvfrom(2048)
    assert sender == (source, port)
    assert reply[:2] == bytes([3, 131])
    assert reply[8:12] == socket.inet_aton(source)


def has_none(node: Node, summary: str) -> bool:
    return bool(node.json(summary) == {"total": 0})


def test_bindings_and_visitors_end_with_their_lifetime(lab: Lab) -> None:
    home_agent, pdsn = lab.home_agent(), lab.pdsn("--lifetime", "1")
    assert pdsn.run("register 1 5")["registered"] == 5
    for node, summary in ((home_agent, "show ip mobile binding summary"), (pdsn, "show ip mobile visitor summary")):
        wait_until(partial(has_none, node, summary), f"{summary}: none", PROGRAM_TIMEOUT)


def test_progress_is_reported_while_the_rate_holds_registrations_back(lab: Lab) -> None:
    lab.home_agent()
    pdsn = lab.pdsn("--rate", "20")
    lines = [json.loads(line) for line in control.stream(str(pdsn.control), "register 1 20")]
    counts = [line["registered"] for line in lines]
    assert counts == sorted(counts)
    assert len(set(counts)) > 1, "several steps, not one"
    assert lines[-1]["registered"] == 20
    assert lines[-1]["seconds"] >= 0.8, "no faster than 20 a second"


def test_a_client_that_leaves_ends_its_command(lab: Lab) -> None:
    lab.home_agent()
    pdsn = lab.pdsn("--rate", "20")
    steps = control.stream(str(pdsn.control), "register 1 1000")
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + PROGRAM_TIMEOUT
    previous = -1
    while (total := pdsn.json("show ip mobile visitor summary")["total"]) != previous and time.monotonic() < deadline:
        previous = total
        time.sleep(0.3)
    assert total == previous < 100


@pytest.mark.parametrize(
    "command", ["register 1", "register x 5", "register 1 0", "register -1 5", "register 1 9999999"]
)
def test_arguments_that_make_no_sense_are_refused(lab: Lab, command: str) -> None:
    assert lab.pdsn().ask(command).startswith("% ")


def test_hostile_datagrams_are_counted_and_do_no_harm(lab: Lab) -> None:
    """A busy machine must not make the PDSN retransmit."""
    home_agent, pdsn = lab.home_agent(), lab.pdsn("--retransmit", "60")
    randomness = random.Random(434)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((RELAY, 0))
        for number in range(500):
            payload = bytes([randomness.choice((1, 3, 1, 3, randomness.randrange(256)))]) + randomness.randbytes(
                randomness.choice((0, 10, 19, 23, 30, 60, 1400))
            )
            sender.sendto(payload, (HOME_AGENT, lab.home_agent_port))
            sender.sendto(payload, (PDSN, lab.pdsn_port))
            if number % 50 == 0:  # a burst is not what this is about: let them read
                home_agent.ask("show ip mobile traffic")
                pdsn.ask("show ip mobile traffic")
    assert pdsn.run("register 1 10")["registered"] == 10
    traffic = home_agent.json("show ip mobile traffic")
    assert traffic["received"] == 510
    assert traffic["malformed"] + traffic["unrecognized"] + sum(traffic["denied"].values()) == 500
    traffic = pdsn.json("show ip mobile traffic")
    assert traffic["received"] == 510
    assert traffic["malformed"] + traffic["unmatched"] == 500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_node_cleanly_even_at_work(lab: Lab, number: int) -> None:
    home_agent, pdsn = lab.home_agent(), lab.pdsn("--rate", "20")
    steps = control.stream(str(pdsn.control), "register 1 1000")
    next(steps)
    for node in (home_agent, pdsn):
        assert node.stop(number) == (0, "")
        assert not node.control.exists()
    with suppress(ControlError):
        list(steps)


def test_a_killed_node_does_not_prevent_the_next_one(lab: Lab) -> None:
    killed = lab.home_agent()
    killed.stop(signal.SIGKILL)
    assert killed.control.exists()
    options = ("--address", HOME_AGENT, "--listen-port", str(lab.home_agent_port))
    successor = Node(killed.control, "home_agent.py", *options)
    assert successor.json("show ip mobile binding summary") == {"total": 0}
    assert successor.stop() == (0, "")


def test_what_prevents_a_start_is_said_in_one_line_with_exit_status_1(lab: Lab, tmp_path: Path) -> None:
    home_agent = lab.home_agent()
    port, control = ("--listen-port", str(lab.home_agent_port)), str(tmp_path / "other.control")
    other_port = ("--listen-port", str(lab.pdsn_port))
    for options, reason in (
        (("--address", HOME_AGENT, *port, "--control", control), f"UDP port {lab.home_agent_port}"),
        (("--address", "192.0.2.1", *port, "--control", control), "192.0.2.1 is not assigned here"),
        (("--address", HOME_AGENT, *other_port, "--control", str(home_agent.control)), "another node serves it"),
    ):
        ended = subprocess.run(
            [sys.executable, str(PROGRAMS / "home_agent.py"), *options],
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT,
            check=False,
            env=ENVIRONMENT,
        )
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1), ended.stderr
        assert reason in ended.stderr


def refused(tmp_path: Path, program: str, *options: str) -> tuple[int, str]:
    """Exit status and complaint of a node that does not start."""
    argv = [sys.executable, str(PROGRAMS / program), "--control", str(tmp_path / "c"), *options]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT, check=False, env=ENVIRONMENT)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def test_a_mobile_needs_its_link(tmp_path: Path) -> None:
    status, complaint = refused(tmp_path, "mobile_node.py", "--interface", "nosuch0")
    assert (status, complaint.count("\n")) == (1, 1)
    assert "cannot use the interface nosuch0: " in complaint


@pytest.mark.parametrize("option", ["--reverse-tunnel", "--mobile=1=eth1"])
def test_what_needs_tunnels_says_so(tmp_path: Path, option: str) -> None:
    status, complaint = refused(tmp_path, "pdsn.py", "--address", PDSN, "--home-agent", HOME_AGENT, option)
    assert status == 2
    assert "need --tunnels" in complaint


def test_without_tunnels_there_is_none_to_show(lab: Lab) -> None:
    for node in (lab.home_agent(), lab.pdsn()):
        assert node.ask("show ip mobile tunnel") == "Mobile Tunnels:\nTotal mobile ip tunnels 0\nDropped: none\n"
        assert node.json("show ip mobile tunnel")["tunnels"] == []


def test_visitors_can_be_cleared(lab: Lab) -> None:
    home_agent, pdsn = lab.home_agent(), lab.pdsn()
    pdsn.run("register 1 3")
    assert pdsn.ask("clear ip mobile visitor") == "Cleared 3 visitors\n"
    assert pdsn.json("clear ip mobile visitor") == {"cleared": 0}
    assert pdsn.json("show ip mobile visitor summary") == {"total": 0}
    assert home_agent.json("show ip mobile binding summary") == {"total": 3}


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("home_agent.py", ["--address", "10.1.1"]),
        ("home_agent.py", ["--address", HOME_AGENT, "--key-hex", "xyz"]),
        ("home_agent.py", ["--address", HOME_AGENT, "--home-network", "10.200.0.1/16"]),
        ("home_agent.py", ["--address", HOME_AGENT, "--max-bindings", "0"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--nai-format", "nobody"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--nai-format", "{}" + "x" * 250]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--rate", "nan"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--port", "65536"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--tunnels", "--mobile", "eth1"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--tunnels", "--mobile", "x=eth1"]),
        ("pdsn.py", ["--address", PDSN, "--home-agent", HOME_AGENT, "--tunnels", "--mobile", "1=" + "x" * 16]),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(tmp_path: Path, program: str, options: list[str]) -> None:
    status, complaint = refused(tmp_path, program, *options)
    assert status == 2
    assert f"argument {options[-2]}" in complaint
    assert "Traceback" not in complaint
