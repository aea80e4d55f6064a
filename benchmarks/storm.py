"""One storm through one contender: which requests arrived where, how often and how late; which rules are missing."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import Any, Optional, TypeVar

from benchmarks.labs import HOME_AGENTS, Contender
from benchmarks.programs import program
from haslb_lab.chassis.one_switch import PDSN, VIRTUAL_SERVER
from haslb_lab.errors import LabError

#: Seconds in which a contender must forward its first requests.
START_TIMEOUT = 20.0
#: Seconds to wait for session rules that are missing after a storm; the project's target is one second.
RULES_TIMEOUT = 3.0
WARM_UP = 8
MIN_PACE = 0.98
#: Milliseconds that a request may be late at a rate that is sustained. Buffers hold seconds of requests: without this
#: limit, a short storm at twice the possible rate would count as sustained.
MAX_DELAY = 100.0
POLL_INTERVAL = 0.02


@dataclass(frozen=True)
class Outcome:
    """The outcome of one storm. Delays are in milliseconds.

    ``asked`` and ``rate`` are the rates that the generator was given and that it reached. ``wrong`` counts requests
    that arrived at the wrong home agent, ``twice`` those that arrived more often than they were sent. ``rules_missing``
    is None for a contender without session rules; ``rules_seconds`` is the time from the end of the storm until the
    last rule was in place.
    """

    asked: float
    rate: float
    sent: int
    lost: int
    twice: int
    wrong: int
    rules_missing: Optional[int]
    rules_seconds: float
    p50: float
    p99: float
    p999: float
    longest: float

    @property
    def flawless(self) -> bool:
        """Whether no request was lost, arrived twice or arrived at the wrong home agent, and no rule is missing."""
        return not (self.lost or self.twice or self.wrong or self.rules_missing)

    @property
    def sustained(self) -> bool:
        """Whether a longer storm at this rate would be flawless too: this one is, and no backlog grew."""
        return self.flawless and self.kept_pace and self.longest <= MAX_DELAY

    @property
    def kept_pace(self) -> bool:
        """Whether the generator reached its rate. If it did not, the outcome says little about the contender."""
        return self.rate >= MIN_PACE * self.asked

    def as_json(self) -> dict[str, Any]:
        """The fields, as they are stored in the record."""
        return asdict(self)


StormType = TypeVar("StormType", bound="Storm")


class Storm:
    """A contender's ``lab``, its home agents and the generator; a context manager. Each storm has new mobiles."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self.lab = contender.lab()
        self._next = 0

    def __enter__(self: StormType) -> StormType:
        with_lab = self.lab.__enter__()
        try:
            processes = [str(with_lab.node(name).pid) for name in HOME_AGENTS]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._receiver = with_lab.run(HOME_AGENTS[0], [program("storm"), "receive", *processes], **pipes)
            self._read()
            self._wait_until_served()
        except BaseException:
            self.lab.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.close()

    def new_sessions(self, rate: float, seconds: float) -> Outcome:
        """Let new mobiles register, each once."""
        count, first = int(rate * seconds), self._next
        self._next += count
        before = self.lab.session_rules()
        sent = self._send(first, count, rate)
        missing, behind = self._missing_rules(before, count)
        came = self._report()
        uneven = abs(came["at"][0] - came["at"][1]) - count % 2 if self._contender.even else 0
        wrong = came["astray"] + max(0, uneven // 2 - (count - came["distinct"]))
        return _outcome(
            rate,
            sent,
            came,
            lost=count - came["distinct"],
            twice=came["repeated"],
            wrong=wrong,
            rules_missing=missing,
            rules_seconds=behind,
        )

    def known_sessions(self, rate: float, count: int) -> Outcome:
        """Let the last mobiles register again. Each request must arrive at the home agent of the mobile's first one."""
        sent = self._send(self._next - count, count, rate)
        came = self._report()
        arrived = came["repeated"] + came["astray"]
        return _outcome(
            rate,
            sent,
            came,
            lost=max(0, count - arrived),
            twice=came["distinct"] + max(0, arrived - count),
            wrong=came["astray"],
            rules_missing=None,
            rules_seconds=0.0,
        )

    def _send(self, first: int, count: int, rate: float) -> dict[str, Any]:
        words = [program("storm"), "send", str(VIRTUAL_SERVER), str(first), str(count), str(rate)]
        generator = self.lab.run(PDSN, words, stdout=subprocess.PIPE)
        answer, _ = generator.communicate()
        if generator.returncode != 0:
            raise LabError(f"the generator failed: {' '.join(words)}")
        sent: dict[str, Any] = json.loads(answer)
        return sent

    def _report(self) -> dict[str, Any]:
        """The requests that have arrived since the last report. Returns once none has arrived for a moment."""
        assert self._receiver.stdin is not None
        self._receiver.stdin.write(b"report\n")
        self._receiver.stdin.flush()
        came: dict[str, Any] = json.loads(self._read())
        return came

    def _read(self) -> bytes:
        assert self._receiver.stdout is not None
        line = self._receiver.stdout.readline()
        if not line:
            raise LabError("the home agents' program has ended")
        return line

    def _wait_until_served(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            self._send(self._next, WARM_UP, 1000)
            self._next += WARM_UP
            if self._report()["distinct"] == WARM_UP:
                return
            if time.monotonic() > deadline:
                raise LabError(f"{self._contender.name} passes no requests")

    def _missing_rules(self, before: Optional[int], count: int) -> tuple[Optional[int], float]:
        if before is None:
            return None, 0.0
        ended = time.monotonic()
        while True:
            missing = before + count - (self.lab.session_rules() or 0)
            passed = time.monotonic() - ended
            if missing <= 0 or passed > RULES_TIMEOUT:
                return max(0, missing), passed
            time.sleep(POLL_INTERVAL)


def _outcome(rate: float, sent: dict[str, Any], came: dict[str, Any], **findings: Any) -> Outcome:
    delays = {name: came[name] for name in ("p50", "p99", "p999", "longest")}
    return Outcome(asked=rate, rate=sent["sent"] / sent["seconds"], sent=sent["sent"], **findings, **delays)
