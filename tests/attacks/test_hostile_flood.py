"""A flood of hostile packets of every kind beside honest mobiles, which all stay served and unmoved.

``HASLB_ATTACK_PACKETS`` says how many (20,000 by default, with 100 honest mobiles; from 100,000 on with 1,000),
``HASLB_ATTACK_RATE`` how many a second, and ``HASLB_ATTACK_SEED`` which ones. Half of them come from a subscriber's
port, half from the port of the PDSN itself. A mobile retransmits until it is served, as phones do.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bench import wait_until
from process_size import Trend

from haslb_lab.agents.foreign_agent import Policy
from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.chassis.one_switch import (
    FIRST_HOME_AGENT,
    PDSN,
    PDSN_ADDRESS,
    SWITCH,
    VIRTUAL_SERVER,
    OneSwitch,
    in_network,
)
from haslb_lab.chassis.topology import NodePort, SwitchPort
from haslb_lab.runner.lab import Lab

pytestmark = pytest.mark.lab

PACKETS = int(os.environ.get("HASLB_ATTACK_PACKETS", "20000"))
SEED = int(os.environ.get("HASLB_ATTACK_SEED", str(random.randrange(1 << 32))))
#: Packets a second of both senders together: two busy cores switch them in user space beside all else.
RATE = float(os.environ.get("HASLB_ATTACK_RATE", "3000"))
MOBILES = 1000 if PACKETS >= 100_000 else 100
#: Seconds between two rounds in which all honest mobiles register.
ROUND_INTERVAL = 6.0
HOME_AGENTS = [FIRST_HOME_AGENT + number for number in range(2)]
SENDER = Path(__file__).parents[1] / "support" / "hostile_packets.py"
STRANGER = "stranger"
CONFIGURATION = "\n".join(
    [
        "ip slb serverfarm HAFARM",
        *(f"real {address}\n weight 1\n inservice" for address in HOME_AGENTS),
        "!",
        "ip slb vserver MIPSLB",
        f" virtual {VIRTUAL_SERVER} udp 434 service ipmobile",
        " serverfarm HAFARM",
        " idle ipmobile request 3600",
        " inservice",
        "ip slb entries conn 1000 20000",
    ]
)


class Street(OneSwitch):
    """The chassis with a stranger at one of its ports."""

    def build(self, *arguments: Any, **parameters: Any) -> None:
        super().build(*arguments, **{**parameters, "pdsn_options": ["--lifetime", "3600", "--retries", "9"]})
        self.add_node(STRANGER)
        self.attach(NodePort(STRANGER, address=in_network(PDSN_ADDRESS + 50)), SwitchPort(SWITCH, number=50))


def flood(lab: Lab, node: str, seed: int, packets: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, str(SENDER), f"{node}-eth0", "--seed", str(seed), "--count", str(packets)]
    words += ["--rate", str(RATE / 2), "--mac", lab.node(node).MAC(), "--virtual", str(VIRTUAL_SERVER)]
    words += ["--pdsn", str(PDSN_ADDRESS), "--honest", Policy.nai_format, "--mobiles", str(MOBILES)]
    for address in HOME_AGENTS:
        words += ["--home-agent", str(address)]
    return lab.run(node, words, stdout=subprocess.PIPE)


def register(lab: Lab) -> dict[str, Any]:
    """All honest mobiles register; how that went."""
    *_, result = (json.loads(line) for line in lab.stream(PDSN, f"register 1 {MOBILES}"))
    return dict(result)


def homes(lab: Lab) -> dict[str, str]:
    """The home agent of each honest mobile's session."""
    names = {Policy.nai_format.format(number) for number in range(1, MOBILES + 1)}
    rows = lab.query(CONTROLLER, "show ip slb sessions")
    return {row["identity"]: row["real"] for row in rows if row["identity"] in names}


def bindings(lab: Lab) -> dict[str, set[str]]:
    return {
        name: {row["nai"] for row in lab.query(name, "show ip mobile binding")["bindings"]}
        for name in ("sami1", "sami2")
    }


def test_honest_mobiles_stay_served_and_unmoved_in_a_flood_of_every_kind() -> None:
    print(f"HASLB_ATTACK_SEED={SEED}")
    with Lab(Street(), CONFIGURATION) as lab:
        assert register(lab)["registered"] == MOBILES
        wait_until(lambda: len(homes(lab)) == MOBILES, "every mobile has its session")
        before, bound = homes(lab), bindings(lab)
        assert lab._controller is not None
        trend = Trend(lab._controller.pid)
        senders = [flood(lab, node, SEED + place, PACKETS // 2) for place, node in enumerate((STRANGER, PDSN))]
        rounds = [register(lab)]
        for sender in senders:
            while not has_ended(sender, ROUND_INTERVAL):
                rounds.append(register(lab))
                note(trend, lab, before, rounds)
        report(lab, [json.loads(each.stdout.read()) for each in senders if each.stdout is not None], rounds)
        assert homes(lab) == before
        assert bindings(lab) == bound
        assert [each["registered"] for each in rounds] == [MOBILES] * len(rounds)
        assert "Traceback" not in lab.log(CONTROLLER)


def note(trend: Trend, lab: Lab, before: dict[str, str], rounds: list[dict[str, Any]]) -> None:
    """Print now and then how the balancer and the honest mobiles fare."""
    sessions, states = lab.query(CONTROLLER, "show ip slb sessions"), lab.query(CONTROLLER, "show ip slb reals")
    at = {row["identity"]: row["real"] for row in sessions}
    trend.note(
        sessions=len(sessions),
        states={row["real"]: row["state"] for row in states},
        moved=sum(at.get(name) != real for name, real in before.items()),
        unserved=sum(MOBILES - each["registered"] for each in rounds),
        rounds=len(rounds),
        log=len(lab.log(CONTROLLER)),
    )


def has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is not None


def report(lab: Lab, sent: list[dict[str, int]], rounds: list[dict[str, Any]]) -> None:
    """Print what was sent, how honest mobiles fared, and what the balancer has counted."""
    print({kind: sum(each.get(kind, 0) for each in sent) for kind in sent[0]})
    print(f"{sum(sum(each.values()) for each in sent)} packets sent")
    again, longest = sum(each["retransmissions"] for each in rounds), max(each["seconds"] for each in rounds)
    print(f"{len(rounds)} rounds of {MOBILES} mobiles: {again} retransmissions, the longest round {longest} s")
    print({row["counter"]: row["value"] for row in lab.query(CONTROLLER, "show ip slb stats") if row["value"]})
