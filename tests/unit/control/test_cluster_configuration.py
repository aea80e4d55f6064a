"""The configuration of the cluster as one member applies it."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_member import standing_by_member
from control_process import Application

from ryu_haslb.cluster.configuration_rows import SharedConfiguration
from ryu_haslb.control import configuring
from ryu_haslb.control.cluster_configuration import ClusterConfiguration


def test_a_member_that_fails_to_apply_a_configuration_says_so_and_may_lead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Members would be left without a leader if a configuration stayed pending at all of them."""
    member, application = standing_by_member(), Application()
    shared = ClusterConfiguration(member, application, "")

    def fail(*_: Any) -> None:
        raise RecursionError("fault")

    monkeypatch.setattr(configuring, "apply_shared", fail)
    assert not member.may_lead()
    member.agreement.on_rows([SharedConfiguration(7, "hostname x\n", "b", "2026-01-02T03:04:05Z").row()])
    assert not member.may_lead()
    shared._apply()
    assert member.may_lead()
    assert member.agreement.refused.startswith("revision 7 (b, 2026-01-02T03:04:05Z): it cannot be applied here")
    assert "cannot be applied" in caplog.text
