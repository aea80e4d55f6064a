"""What DFP's state machines ask for, read by their tests."""

from __future__ import annotations

from collections.abc import Iterable

from ryu_haslb.dfp.channel import Send


def frames(actions: Iterable[object]) -> list[bytes]:
    """The frames of actions, all of which must send one."""
    sent = []
    for action in actions:
        assert isinstance(action, Send), action
        sent.append(action.data)
    return sent
