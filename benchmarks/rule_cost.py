"""What Open vSwitch pays for a session rule, and what other forms of it would cost.

    python -m benchmarks.rule_cost --rules 20000 --rounds 5

An Open vSwitch of its own, without ports, is sent the rules of each form in turn, round after round. Printed is the
processor time of all its threads, as a ratio to that of the form that the balancer sends. Needs no root.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.report import markdown_table
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.openflow.flow_tables.pipeline import SESSION_PRIORITY, Table, udp_match
from ryu_haslb.openflow.flow_tables.session_rule import delivery_actions
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_mod import FlowMod, apply_actions, bundle, match
from ryu_haslb.slb.session_tag import cookie_of, tag_of

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
VIRTUAL_ADDRESS = "10.1.1.10"
DISPATCHED = {"eth_src": "02:51:b7:00:00:01", "eth_dst": "02:00:00:00:00:51"}
DIRECT = {**DISPATCHED, "ipv4_dst": "10.1.1.51"}
#: Rules of a bundle in a storm of 20,000 new sessions a second.
BUNDLE_RULES = 100
#: Seconds in which the switch starts.
START_TIMEOUT = 10.0
#: Seconds in which it finishes what it does in other threads after rules were deleted.
SETTLING_TIME = 0.3
CONTROLLER = wire.OFPP_CONTROLLER
CHECK_OVERLAP = wire.OFPFF_CHECK_OVERLAP
NO_COUNTERS = 1 << 3 | 1 << 4  # OFPFF_NO_PKT_COUNTS, OFPFF_NO_BYT_COUNTS


@dataclass(frozen=True)
class Form:
    """A form of session rules. ``fields`` are matched beside the tag; ``size`` rules are one bundle, 0: no bundles."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=lambda: udp_match(VIRTUAL_ADDRESS, MOBILE_IP_PORT))
    rewrites: Mapping[str, Any] = field(default_factory=lambda: DISPATCHED)
    flags: int = 0
    idle_timeout: int = 0
    size: int = BUNDLE_RULES
    table: int = Table.SESSIONS.value
    priorities: int = 1
    is_sorted: bool = False

    def messages(self, first: int, count: int) -> list[bytes]:
        """What is sent for the sessions of so many mobiles; a barrier request follows each bundle."""
        address = bytes([10, 1, 1, 10])
        tags = [tag_of(address, b"\\1user%d@example.com" % number) for number in range(first, first + count)]
        if self.is_sorted:
            tags.sort()
        instructions = apply_actions(delivery_actions(self.rewrites, 2, None))
        rules = [
            FlowMod(
                *(wire.OFPFC_ADD, self.table, cookie_of(tag), 0, SESSION_PRIORITY + tag % self.priorities),
                *(self.idle_timeout, self.flags),
                match=match({"eth_src": tag, **self.fields}),
                instructions=instructions,
            ).pack(1)
            for tag in tags
        ]
        size = self.size or BUNDLE_RULES
        parts = [rules[start : start + size] for start in range(0, count, size)]
        return [(bundle(1, 1, part) if self.size else b"".join(part)) + wire.barrier_request(2) for part in parts]


PRODUCT = Form("as the balancer sends them")
FORMS = (
    PRODUCT,
    replace(PRODUCT, name="the tag is all that is matched", fields={}),
    replace(
        PRODUCT,
        name="the port of the controller is matched as well",
        fields={**PRODUCT.fields, "in_port": wire.OFPP_CONTROLLER},
    ),
    replace(PRODUCT, name="no field is rewritten", rewrites={}),
    replace(PRODUCT, name="direct mode: three fields are rewritten", rewrites=DIRECT),
    replace(PRODUCT, name="the switch reports its end (SEND_FLOW_REM)", flags=wire.OFPFF_SEND_FLOW_REM),
    replace(PRODUCT, name="CHECK_OVERLAP", flags=CHECK_OVERLAP),
    replace(PRODUCT, name="no counters (NO_PKT_COUNTS, NO_BYT_COUNTS)", flags=NO_COUNTERS),
    replace(PRODUCT, name="an idle time-out", idle_timeout=300),
    replace(PRODUCT, name="16 priorities instead of one", priorities=16),
    replace(PRODUCT, name="tags in ascending order", is_sorted=True),
    replace(PRODUCT, name="in table 0", table=Table.CLASSIFIER.value),
    replace(PRODUCT, name="bundles of 10 rules", size=10),
    replace(PRODUCT, name="bundles of 1,000 rules", size=1000),
    replace(PRODUCT, name="single flow-mods instead of bundles", size=0),
)


class OwnSwitch:
    """An Open vSwitch with one bridge; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> OwnSwitch:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haslb-rule-cost-")))
            names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
            environment = {**os.environ, **dict.fromkeys(names, str(folder))}
            database, remote = folder / "conf.db", f"unix:{folder}/db.sock"
            subprocess.run(["ovsdb-tool", "create", str(database), SCHEMA], check=True, env=environment)
            stack.enter_context(_program(folder, environment, "ovsdb-server", str(database), f"--remote=p{remote}"))
            _wait_for(folder / "db.sock")
            self._process = stack.enter_context(_program(folder, environment, "ovs-vswitchd", remote, "--enable-dummy"))
            bridge = ["set", "bridge", "br", "datapath_type=dummy", "protocols=OpenFlow13", "fail_mode=secure"]
            words = ["ovs-vsctl", f"--db={remote}", "add-br", "br", "--", *bridge]
            subprocess.run(words, check=True, env=environment)
            _wait_for(folder / "br.mgmt")
            self._peer = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._peer.connect(str(folder / "br.mgmt"))
            self._peer.sendall(wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, 8, 1))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def processor_time(self) -> float:
        """Seconds that processors have spent on all its threads."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in tasks) / 1e9

    def carry_out(self, messages: Sequence[bytes]) -> float:
        """Send messages, one when the barrier of the one before is answered. Returns the switch's processor time."""
        before = self.processor_time()
        for message in messages:
            self._peer.sendall(message)
            self._await_barrier()
        return self.processor_time() - before

    def clear(self, table: int) -> None:
        """Delete the session rules."""
        self.carry_out([FlowMod(wire.OFPFC_DELETE, table, 0).pack(1) + wire.barrier_request(2)])
        time.sleep(SETTLING_TIME)

    def _await_barrier(self) -> None:
        while True:
            _, kind, length, _ = wire.HEADER.unpack(self._read(wire.HEADER.size))
            body = self._read(length - wire.HEADER.size)
            if kind == wire.OFPT_ERROR:
                raise SystemExit(f"rule_cost: the switch rejects it: {body[:4].hex()}")
            if kind == wire.OFPT_BARRIER_REPLY:
                return

    def _read(self, size: int) -> bytes:
        return self._peer.recv(size, socket.MSG_WAITALL) if size else b""


@contextmanager
def _program(folder: Path, environment: Mapping[str, str], name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    files = [f"--unixctl={folder}/{name}.ctl", f"--log-file={folder}/{name}.log", "--verbose=console:off"]
    with subprocess.Popen([name, *words, *files], env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"rule_cost: {path.name} has not come up within {START_TIMEOUT:g} s")
        time.sleep(0.01)


def measure(rules: int, rounds: int) -> Iterator[tuple[Form, float, float]]:
    """Of each form the microseconds a rule, and the ratio to the balancer's form in the same round: medians."""
    costs: dict[str, list[float]] = {form.name: [] for form in FORMS}
    with OwnSwitch() as switch:
        for _ in range(rounds):
            for form in FORMS:
                messages = form.messages(0, rules)
                costs[form.name].append(switch.carry_out(messages) / rules * 1e6)
                switch.clear(form.table)
    for form in FORMS:
        ratios = [cost / own for cost, own in zip(costs[form.name], costs[PRODUCT.name])]
        yield form, statistics.median(costs[form.name]), statistics.median(ratios)


def main(words: Sequence[str]) -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(words)
    rows = (
        (form.name, f"{ratio:.2f}", f"{cost:.1f} µs") for form, cost, ratio in measure(options.rules, options.rounds)
    )
    print("\n".join(markdown_table(("form of the rule", "ratio", "processor time of Open vSwitch"), rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
