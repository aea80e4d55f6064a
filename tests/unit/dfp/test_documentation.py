"""docs/dfp.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ryu_haslb.dfp.agent_connection import TRANSITIONS
from ryu_haslb.dfp.channel import Counters
from ryu_haslb.dfp.messages import MessageType

DOCUMENT = (Path(__file__).parents[3] / "docs" / "dfp.md").read_text()


def test_the_drawn_states_are_those_of_the_machine() -> None:
    drawn = set(re.findall(r"^ +(\w+) --> (\w+): (.+)$", DOCUMENT, re.MULTILINE))
    assert drawn == {
        (state.name, new.name, event.value) for state, events in TRANSITIONS.items() for event, new in events.items()
    }


def test_every_message_type_and_its_number_are_listed() -> None:
    assert set(re.findall(r"^\| [\w ]+ \| 0x(\w{4}) \|", DOCUMENT, re.MULTILINE)) == {
        f"{message_type:04x}" for message_type in MessageType
    }


def test_the_counters_named_exist() -> None:
    named = set(re.findall(r"\(`(\w+_(?:errors|failures|messages|timeouts|entries))`\)", DOCUMENT))
    assert len(named) == 7
    assert named <= set(vars(Counters()))
