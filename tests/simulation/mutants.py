"""Mutants of the product: each is one fault that somebody might make, and the simulator must find it.

    PYTHONPATH=.:tests .venv/bin/python -W ignore -m simulation.mutants          # all of them
    PYTHONPATH=.:tests .venv/bin/python -W ignore -m simulation.mutants idle     # those with such a name

A copy of ``ryu_haslb`` in a temporary directory gets the fault. Worlds are run with it until one breaks a rule: a few
in which much goes wrong (:mod:`simulation.mutant_worlds`), then random ones, from the seed 1 on. The table in README.md
says after how many simulated requests that is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

#: Simulated seconds of each world, and simulated requests after which a mutant counts as not found.
SECONDS, MAX_REQUESTS = 1200.0, 1_000_000
ROOT = Path(__file__).resolve().parents[2]


class Mutant(NamedTuple):
    """In a module of the product, ``old`` becomes ``new``. ``old`` must be there once."""

    module: str
    old: str
    new: str


MUTANTS: dict[str, Mutant] = {
    "a session is never moved from an unreachable real server": Mutant(
        "slb/request_decision.py", "if not is_reachable or has_given_up or", "if has_given_up or"
    ),
    "a session is never moved from a failed real server": Mutant(
        "slb/request_decision.py",
        "has_given_up or real.health is not _OPERATIONAL or real not in farm.keeping",
        "has_given_up or real not in farm.keeping",
    ),
    "a session is never moved from a removed real server": Mutant(
        "slb/request_decision.py", " or real not in farm.keeping:\n", ":\n"
    ),
    "a session never moves by retries": Mutant("slb/failure_detection.py", "if left < 0:", "if left < -1000:"),
    "a session moves by one retry too late": Mutant("slb/failure_detection.py", "if left < 0:", "if left < -1:"),
    "a session moves by one retry too early": Mutant("slb/failure_detection.py", "if left < 0:", "if left < 1:"),
    "retries of an abandoned attempt are forgotten": Mutant(
        "slb/session.py", "self.retries = self.retries + 1 if is_abandoned else 0", "self.retries = 0"
    ),
    "a mobile that registers anew counts as one that retransmits": Mutant(
        "slb/session.py", "is_abandoned = self.retries and self.waited and waited", "is_abandoned = waited"
    ),
    "a real server is failed without a doubt": Mutant(
        "slb/failure_detection.py", "if not real.doubt.allows_failure(self._copying(real), now):", "if False:"
    ),
    "a session leaves a real server that answers": Mutant(
        "slb/failure_detection.py", "if self._may_live(session, now):", "if False:"
    ),
    "a silent real server is never failed": Mutant(
        "slb/real.py", "enough_clients and self.consecutive_failures >=", "enough_clients and 0 >="
    ),
    "clients that are missing are waited for": Mutant(
        "slb/real.py",
        "min(configuration.faildetect_numclients, max(clients, 1))",
        "configuration.faildetect_numclients",
    ),
    "a reply is credited to another real server": Mutant(
        "openflow/doubt/copied_replies.py",
        "self._balancer.record_reply(real, session",
        "self._balancer.record_reply(next((e for e in farm.reals if e is not real), real), session",
    ),
    "a request is dropped and not counted": Mutant(
        "slb/request_decision.py", "self.statistics.drops[reason] += 1", "pass"
    ),
    "a request that cannot be read is not counted": Mutant(
        "openflow/requests/request_path.py",
        "self._balancer.statistics.count_dropped(reason)\n        client",
        "client",
    ),
    "a request is counted as dispatched and not sent": Mutant(
        "openflow/requests/request_path.py",
        "channel.transmit(packet.packet_out(self._actions[real], frame))",
        "session is not None and channel.transmit(packet.packet_out(self._actions[real], frame))",
    ),
    "a deregistration goes to any real server": Mutant(
        "slb/request_decision.py",
        "return self._dispatch(real, None)\n\n    def _remembered",
        "return self._dispatch(request.virtual_server.farm.choose(request.datapath_id) or real, None)\n\n"
        "    def _remembered",
    ),
    "sessions end a second after their idle time": Mutant(
        "slb/virtual_server.py", "self.idle = configuration.idle", "self.idle = configuration.idle + 1"
    ),
    "sessions end a second before their idle time": Mutant(
        "slb/virtual_server.py", "self.idle = configuration.idle", "self.idle = configuration.idle - 1"
    ),
    "a request does not restart the idle time": Mutant(
        "slb/session.py",
        "self.last_request = now\n        waited",
        "self.last_request = self.last_request or now\n        waited",
    ),
    "session rules are removed too early": Mutant(
        "openflow/flow_tables/session_rule.py", "idle_timeout = server.idle if", "idle_timeout = server.idle // 2 if"
    ),
    "session rules are not audited": Mutant(
        "openflow/audit/session_audit.py", "        if missing or changed:\n", "        if False:\n"
    ),
    "rules without a session stay": Mutant(
        "openflow/audit/session_audit.py", "has_orphaned = bool(self._rows.unexpected) and", "has_orphaned = False and"
    ),
    "rules of sessions that have moved stay": Mutant(
        "slb/session_ending.py", "if session.rule_at is not None:", "if False:"
    ),
    "weights are ignored": Mutant("slb/predictor.py", "self._served < real.weight and", "self._served < 1 and"),
    "the weight of a DFP report is ignored": Mutant(
        "slb/real.py", "self.configuration.weight if weight is None else weight", "self.configuration.weight"
    ),
    "the weight of a DFP agent that is gone stays": Mutant(
        "slb/real.py",
        "self.configuration.weight if weight is None else weight",
        "(weight if weight is not None else self.weight if hasattr(self, 'weight') else self.configuration.weight)",
    ),
    "a drained real server gets new mobiles": Mutant(
        "slb/real.py",
        "if self.configuration.drain is not None:\n            self.weight = 0",
        "if False:\n            self.weight = 0",
    ),
    "sessions of a drained real server do not move": Mutant(
        "slb/farm.py", "real for real in self.reals if not real.moves_sessions", "real for real in self.reals"
    ),
    "a failed real server is never tested": Mutant(
        "slb/real.py", "self.health is Health.FAILED and retry and", "False and"
    ),
    "a test that fails counts as one that succeeds": Mutant(
        "slb/real.py", "self._handle(HealthEvent.TEST_FAILED)", "self._handle(HealthEvent.TEST_SUCCEEDED)"
    ),
    "the last real server fails as well": Mutant(
        "slb/failure_detection.py", "is_last=not farm.serves_without(real)", "is_last=False"
    ),
    "a reply does not end a failure": Mutant("slb/real.py", "self._handle(HealthEvent.REPLY_SEEN)", "pass"),
    "a real server that answers no ARP stays reachable": Mutant(
        "openflow/neighbours/arp_probing.py",
        "is_silent = self.unanswered_probes",
        "is_silent = False and self.unanswered_probes",
    ),
    "each claim of an address is believed": Mutant(
        "openflow/neighbours/arp_probing.py",
        "self.challenged_until = now + CHALLENGE_TIMEOUT\n        self.challenge_probes = 0",
        "self.challenged_until = now\n        self.challenge_probes = 9",
    ),
    "a stop removes the rules": Mutant(
        "openflow/fleet/fleet.py",
        "        self._is_stopping = True\n",
        "        self._is_stopping = True\n        self.retire()\n        return 1\n",
    ),
    "a restart forgets the sessions": Mutant(
        "openflow/recovery/unrecovered.py", "if not has_sessions:\n", "if True:\n"
    ),
    "a changed weight is not applied": Mutant(
        "slb/farm.py", "                real.configure(each)\n", "                pass\n"
    ),
    "session rules lead to where a real server was": Mutant(
        "openflow/requests/request_path.py", "        if moved:\n", "        if False:\n"
    ),
    "the cookie mask of a deletion is missing": Mutant(
        "openflow/flow_tables/session_rule.py",
        "_SESSIONS, COOKIE_MARK, COOKIE_MARK_MASK).pack(xid)]",
        "_SESSIONS, 0, 0).pack(xid)]",
    ),
    "a retirement leaves the session rules": Mutant(
        "openflow/installation/retirement.py",
        "            self._transactions.submit(session_removal, self._on_sessions_removed)",
        "            self._on_sessions_removed(None)",
    ),
    "timers are rounded to seconds": Mutant(
        "slb/wheel.py", "slot = int(when / RESOLUTION) + 1", "slot = (int(when) + 1) * 10 + 1"
    ),
    "a drop is counted twice": Mutant(
        "slb/request_decision.py", "self.statistics.drops[reason] += 1", "self.statistics.drops[reason] += 2"
    ),
    "a recovered session has the wrong real server": Mutant(
        "openflow/recovery/recovery.py",
        "recover(server, tag, real, now)",
        "recover(server, tag, server.farm.reals[0], now)",
    ),
    "generations are compared the wrong way": Mutant(
        "openflow/wire/role.py", "return 0 < (generation - than &", "return 0 < (than - generation &"
    ),
    "known mobiles make room for new ones": Mutant(
        "openflow/sessions/rule_room.py", "session.unconfirmed_in is not None and", "session.unconfirmed_in is None and"
    ),
    "least connections count no weights": Mutant("slb/predictor.py", "real.sessions / real.weight", "real.sessions"),
    "a leader does not raise the generation": Mutant(
        "cluster/election.py",
        "self._claimed = self.newest_generation + 1",
        "self._claimed = self.newest_generation or 1",
    ),
}


def changed(mutant: Mutant) -> str:
    """The text of the module with the fault. Raises ValueError if the place is not there, or is there twice."""
    text = (ROOT / "ryu_haslb" / mutant.module).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.module} has {mutant.old!r} {text.count(mutant.old)} times")
    return text.replace(mutant.old, mutant.new)


def run(mutant: Mutant, seconds: float, max_requests: int) -> str:
    """Run random worlds with this mutant in a process of their own. Returns what they found."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(ROOT / "ryu_haslb", Path(directory, "ryu_haslb"), ignore=shutil.ignore_patterns("__pycache__"))
        Path(directory, "ryu_haslb", mutant.module).write_text(changed(mutant), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": f"{directory}:{ROOT / 'tests'}", "HASLB_PURE": "1"}
        arguments = ["--find", "--seconds", str(seconds), "--requests", str(max_requests)]
        command = [sys.executable, "-W", "ignore", "-m", "simulation.mutants", *arguments]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=directory)
    return finished.stdout.strip() or finished.stderr.strip()[-300:]


def _find(seconds: float, max_requests: int) -> str:
    """What the first world shows that breaks a rule: small worlds first, then random ones."""
    from simulation.mutant_worlds import WORLDS  # noqa: PLC0415 - these import the product: that of the mutant
    from simulation.runs import prepare  # noqa: PLC0415
    from simulation.simulation import random_run, simulate  # noqa: PLC0415

    prepare(is_verbose=False)
    requests = 0
    for number, (parameters, history, length) in enumerate(WORLDS, 1):
        outcome = simulate(parameters, history, length)
        requests += outcome.requests
        if outcome.violation is not None:
            return f"world {number}, {requests:,} requests: {outcome.violation}"
    seed = 0
    while requests < max_requests:
        seed += 1
        outcome = simulate(*random_run(seed, seconds), seconds)
        requests += outcome.requests
        if outcome.violation is not None:
            return f"seed {seed}, {requests:,} requests: {outcome.violation}"
    return f"not found in {requests:,} requests"


def main() -> None:
    """Print one line for each mutant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of mutants (all)")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--requests", type=int, default=MAX_REQUESTS)
    parser.add_argument("--find", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.find:
        print(_find(options.seconds, options.requests))
        return
    for name, mutant in MUTANTS.items():
        if not options.names or any(each in name for each in options.names):
            print(f"{name}: {run(mutant, options.seconds, options.requests)}", flush=True)


if __name__ == "__main__":
    main()
