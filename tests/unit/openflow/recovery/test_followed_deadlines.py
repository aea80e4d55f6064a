"""How long a rule that a standby has followed waits for its real server after a takeover."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ryu_haslb.openflow.recovery.destinations import UNSERVED_TIMEOUT
from ryu_haslb.openflow.recovery.follower_states import Followed
from ryu_haslb.openflow.recovery.recovery import Recovery
from ryu_haslb.openflow.recovery.session_view import RuleTarget
from ryu_haslb.slb.recovery_room import RecoveryRoom

ADDRESS, IDLE, TAG = bytes([10, 1, 1, 10]), 300.0, 7


@pytest.mark.parametrize(("is_served", "timeout"), [(True, IDLE), (False, UNSERVED_TIMEOUT)])
def test_a_followed_rule_waits_for_the_idle_time_of_a_virtual_server_that_is_known_later(
    is_served: bool, timeout: float
) -> None:
    """A member that has never served the switch knows its virtual servers after it has taken over."""
    lost: list[int] = []
    balancer: Any = SimpleNamespace(sessions=SimpleNamespace(recovery_room=RecoveryRoom()))
    recovery = Recovery(1, balancer, lambda *_: None, lambda tag, _: lost.append(tag))
    target = RuleTarget(ADDRESS, b"actions")
    recovery.take_over(Followed({TAG: target}, [target], [], True), 0.0)
    server: Any = SimpleNamespace(packed_address=ADDRESS, idle=IDLE, farm=SimpleNamespace(reals=()))
    recovery.locate({ADDRESS: server} if is_served else {}, {})
    recovery.tick(0.0)
    recovery.tick(timeout - 1.0)
    assert lost == []
    recovery.tick(timeout)
    assert lost == [TAG]
