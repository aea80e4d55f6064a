"""Records which session rules a switch has had, each under the generation of the leader of that time. A program.

``python rule_record.py SOCKET RULES MASTERS`` connects to the management socket of a bridge of Open vSwitch, prints
``ready``, and writes a record (:data:`RULE`) of each session rule that is added or replaced. For each line on standard
input it prints ``done`` when all rules of that moment are in the file. The flow monitor reports the rules,
and role replies the newest generation that the switch has seen. Both come over one connection, in the order in which
they happened in the switch: a rule between two replies was put there by a leader whose generation is not older than
the first one's, and not newer than the second one's. No time of a rule is recorded.

MASTERS gets a record (:data:`NEW_MASTER`) of each new generation: between which times (nanoseconds of the machine's
clock) the switch has got the master with it.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple

from ryu_haslb.openflow.flow_tables.pipeline import Table
from ryu_haslb.openflow.wire import wire
from ryu_haslb.openflow.wire.flow_monitor import (
    ONFFMF_ACTIONS,
    ONFFMF_ADD,
    ONFFMF_MODIFY,
    flow_monitor_request,
    flow_updates,
    is_flow_monitor_reply,
)
from ryu_haslb.openflow.wire.role import UNDEFINED_GENERATION, ControllerRole, read_role_reply, role_request

#: A rule: the generations between which it was added or replaced, its cookie, and the Ethernet address it leads to.
RULE = Struct("<QQQ6s2x")
#: A new master: the times before and after the switch has got it, and its generation.
NEW_MASTER = Struct("<QQQ")
#: Seconds between two questions for the generation, if no rule is added.
QUESTION_INTERVAL = 0.01
_MONITOR, _HELLO, _QUESTION = 1, 1, 2
_SET_DESTINATION, _LENGTH_OF_ADDRESS = wire.set_field("eth_dst", bytes(6))[:8], 6


class Rule(NamedTuple):
    """A session rule that a switch has had."""

    oldest: int
    newest: int
    cookie: int
    mac: bytes

    def __str__(self) -> str:
        return f"cookie {self.cookie:#x}, generation {self.newest}"


class NewMaster(NamedTuple):
    """Between two times, in nanoseconds, the switch has got a master with this generation."""

    begin: int
    end: int
    generation: int


class RuleRecord:
    """Makes records of the messages of a switch. ``question`` is to be sent when its last one is answered. Pure.

    ``generation`` is the newest that the switch has reported.
    """

    def __init__(self) -> None:
        self.is_asking = False
        self.generation = 0
        self._waiting: list[tuple[int, bytes]] = []

    @property
    def has_waiting(self) -> bool:
        """Whether there are rules whose generations are not known yet."""
        return bool(self._waiting)

    def question(self) -> bytes:
        """Asks for the generation."""
        self.is_asking = True
        return role_request(_QUESTION, ControllerRole.NOCHANGE)

    def on_message(self, message: bytes) -> Iterator[Rule]:
        """A message of the switch: the rules whose generations are known now."""
        if message[1] == wire.OFPT_MULTIPART_REPLY and is_flow_monitor_reply(message):
            for _, row in flow_updates(message):
                _, _, rest = row.instructions.partition(_SET_DESTINATION)
                if rest:
                    self._waiting.append((row.cookie, rest[:_LENGTH_OF_ADDRESS]))
        elif message[1] == wire.OFPT_ROLE_REPLY:
            generation = read_role_reply(message).generation
            before, self.generation = self.generation, 0 if generation == UNDEFINED_GENERATION else generation
            self.is_asking = False
            for cookie, mac in self._waiting:
                yield Rule(before, self.generation, cookie, mac)
            self._waiting.clear()


class Recorder:
    """Records the rules and the masters of the switch at ``connection``, and answers commands on standard input."""

    def __init__(self, connection: socket.socket, log: BinaryIO, masters: BinaryIO) -> None:
        self._connection, self._log, self._masters = connection, log, masters
        #: When the question was asked that was answered last, and the one that is not answered yet.
        self._answered, self._question = 0, 0
        self._rules = RuleRecord()
        self._received = b""
        self._asked_at = 0.0
        #: What is to be printed when the next question is answered, and when the one that was asked is.
        self._next_answer, self._answer = "ready", ""

    def run(self) -> None:
        """Record until the switch closes the connection, or standard input ends."""
        hello = wire.HEADER.pack(wire.OFP_VERSION, wire.OFPT_HELLO, wire.HEADER.size, _HELLO)
        flags = ONFFMF_ADD | ONFFMF_MODIFY | ONFFMF_ACTIONS
        self._connection.sendall(hello + flow_monitor_request(_HELLO, _MONITOR, Table.SESSIONS, flags))
        while True:
            self._ask_if_due(time.monotonic())
            readable = select.select([self._connection, sys.stdin], [], [], QUESTION_INTERVAL)[0]
            if sys.stdin in readable:
                if not sys.stdin.readline():
                    return
                self._next_answer = "done"
            if self._connection in readable:
                data = self._connection.recv(1 << 16)
                if not data:
                    return
                self._on_received(data)

    def _ask_if_due(self, now: float) -> None:
        is_due = self._rules.has_waiting or self._next_answer or now >= self._asked_at + QUESTION_INTERVAL
        if is_due and not self._rules.is_asking:
            self._connection.sendall(self._rules.question())
            self._asked_at, self._question = now, time.time_ns()
            self._answer, self._next_answer = self._next_answer, ""

    def _on_received(self, data: bytes) -> None:
        messages, self._received = split(self._received + data)
        for message in messages:
            if message[1] == wire.OFPT_ECHO_REQUEST:
                self._connection.sendall(message[:1] + bytes([wire.OFPT_ECHO_REPLY]) + message[2:])
            before, was_asking = self._rules.generation, self._rules.is_asking
            for rule in self._rules.on_message(message):
                self._log.write(RULE.pack(*rule))
            if self._rules.generation != before:
                self._masters.write(NEW_MASTER.pack(self._answered, time.time_ns(), self._rules.generation))
            if was_asking and not self._rules.is_asking:
                self._answered = self._question
        self._log.flush()
        self._masters.flush()
        if self._answer and not self._rules.is_asking:
            print(self._answer, flush=True)
            self._answer = ""


def split(received: bytes) -> tuple[list[bytes], bytes]:
    """The messages in what has been received, and the rest."""
    messages = []
    while len(received) >= wire.HEADER.size:
        length = wire.HEADER.unpack_from(received)[2]
        if length > len(received):
            break
        messages.append(received[:length])
        received = received[length:]
    return messages, received


def main() -> int:
    """Record."""
    path, rules, masters = sys.argv[1:]
    with open(rules, "wb") as log, open(masters, "wb") as changes, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        Recorder(connection, log, changes).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
