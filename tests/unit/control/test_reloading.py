"""SIGHUP, once and often, at a balancer alone and at a member of a cluster; and a rollback that is due."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import eventlet
import eventlet.event
import pytest
from served_switch import CONFIGURATION, Served, purposes

from ryu_haslb.app import HomeAgentLoadBalancing
from ryu_haslb.control import configuring, reloading
from ryu_haslb.control.coalescing import Coalesced
from ryu_haslb.control.rollback import Rollback
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.openflow.flow_tables.pipeline import Purpose


@pytest.mark.parametrize("has_error", [False, True])
def test_sighup_ends_a_retirement_also_in_a_cluster_whatever_the_file_says(
    monkeypatch: pytest.MonkeyPatch, has_error: bool
) -> None:
    """``haslb retire`` promises it; the file is only compared, since the configuration of the cluster is in force."""
    served = Served()
    served.fleet.retire()
    served.transport.answer()
    assert purposes(served.switch) == {Purpose.PASS_OTHER}

    def plan(*_: object) -> object:
        if has_error:
            raise ConfigurationError([Diagnostic("haslb.ios", 1, "unknown command")])
        return SimpleNamespace(changes=("+hostname x",))

    monkeypatch.setattr(configuring, "plan_file", plan)
    reported: list[str] = []
    cluster: Any = SimpleNamespace(report_file=lambda path, _: reported.append(path))
    application: Any = SimpleNamespace(
        startup_file=SimpleNamespace(path="haslb.ios"),
        fleet=served.fleet,
        configuration=CONFIGURATION,
        configure=served.fleet.configure,
    )
    application.end_retirement = lambda: HomeAgentLoadBalancing.end_retirement(application)
    reloading.reload(application, cluster)
    served.transport.answer()
    assert not served.fleet.is_retired
    assert served.is_connected
    assert reported == ([] if has_error else ["haslb.ios"])


def test_fifty_sighups_during_a_reload_cause_one_more() -> None:
    begun: list[int] = []
    is_read = eventlet.event.Event()

    def reload() -> None:
        begun.append(len(begun))
        is_read.wait()

    application: Any = SimpleNamespace(_signals=[], _is_stopping=False, _reloading=Coalesced("SIGHUP", reload))
    for _ in range(50):
        HomeAgentLoadBalancing._on_signal(application, signal.SIGHUP, None)
        HomeAgentLoadBalancing._handle_signals(application, 0.0)
        eventlet.sleep(0)
        assert len(begun) == 1
    is_read.send()
    while application._reloading.is_running:
        eventlet.sleep(0)
    assert len(begun) == 2
    assert not application._signals
    assert not application._is_stopping


def test_a_change_that_makes_every_tick_fail_rolls_back_all_the_same() -> None:
    requests: list[None] = []

    def fail(_: float) -> None:
        raise KeyError("fault")

    rollback = Rollback()
    rollback.arm("hostname x", 1, 0.0)
    application: Any = SimpleNamespace(
        balancer=SimpleNamespace(reals=list),
        fleet=SimpleNamespace(tick=fail),
        rollback=rollback,
        _rolling_back=SimpleNamespace(request=lambda: requests.append(None)),
    )
    with pytest.raises(KeyError):
        HomeAgentLoadBalancing._tick(application, 60.0)
    assert len(requests) == 1
