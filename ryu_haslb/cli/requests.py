"""The commands of ``haslb`` by their first word: what is done here, and what is sent to the balancer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum

from ryu_haslb.control.protocol import JSON_FLAG, SEPARATOR
from ryu_haslb.language.grammar import Command, Mode, match


class Place(Enum):
    """Who carries a command out."""

    CHECK = "here, without a balancer"
    TERMINAL = "here, collecting commands that are then sent"
    LEAVE = "here, at the prompt only"
    FILE = "the balancer, which is told the whole path"
    COMMANDS = "the balancer, all commands as one word"
    STREAM = "the balancer, until interrupted"
    BALANCER = "the balancer"


LOCAL: Mode[Place] = Mode(
    "haslb",
    (
        Command("check [LINE]", Place.CHECK, "Check a configuration file"),
        Command("show [LINE]", Place.BALANCER, "Show what the balancer knows"),
        Command("clear [LINE]", Place.BALANCER, "End sessions, set counters to zero"),
        Command("debug [LINE]", Place.STREAM, "See events as they happen, until Ctrl-C"),
        Command("undebug [LINE]", Place.BALANCER, "Debugging ends with Ctrl-C; nothing is left to turn off"),
        Command("configure terminal", Place.TERMINAL, "Type configuration commands; 'end' applies them"),
        Command("configure FILE", Place.FILE, "Apply a configuration file, all of it or nothing"),
        Command("config LINE", Place.COMMANDS, "Apply configuration commands, all of them or nothing"),
        Command("{exit | quit | logout}", Place.LEAVE, "Leave the prompt"),
    ),
)


def place_of(words: Sequence[str]) -> Place:
    """Who carries out these words; CommandError if nobody knows them."""
    action = match(LOCAL, _as_on_ios(_without_output_options(words))).command.action
    assert action is not None  # every command has its place
    return action


def sent(place: Place, words: Sequence[str]) -> list[str]:
    """The words as the balancer is to get them: it does not know our folder, and takes ``config`` as two words."""
    command = _without_output_options(words)
    options = words[len(command) :]
    if place is Place.FILE:
        return ["configure", os.path.abspath(command[1]), *options]
    if place is Place.COMMANDS:
        return [*config(command[1:]), *options]
    return list(words)


def config(commands: Sequence[str]) -> list[str]:
    """The request that applies these configuration commands together."""
    return ["config", SEPARATOR.join(line for command in commands for line in command.splitlines())]


def _as_on_ios(words: Sequence[str]) -> Sequence[str]:
    """``conf t`` and ``config term``: everybody's abbreviation, which our ``config`` would make ambiguous."""
    if len(words) == 2 and words[0] in ("conf", "config") and "terminal".startswith(words[1]):
        return ["configure", "terminal"]
    return words


def _without_output_options(words: Sequence[str]) -> Sequence[str]:
    return words[: next((index for index, word in enumerate(words) if word in ("|", JSON_FLAG)), len(words))]
