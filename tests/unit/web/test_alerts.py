"""The alert rules of docs/monitoring, evaluated by Prometheus' promtool: each fires in the state it names, no other.

A world is what a healthy balancer exposes, with the series that a case changes. ``make testmachine`` installs promtool.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ryu_haslb.show.reals import REAL_STATES
from ryu_haslb.slb.health import Health

REPOSITORY = Path(__file__).parents[3]
RULES = REPOSITORY / "docs" / "monitoring" / "alerts.yaml"
NAMES = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
PROMTOOL = shutil.which(str(REPOSITORY / "build" / "tools" / "promtool")) or shutil.which("promtool")

#: Seconds between two samples, minutes until the alerts are looked at, and samples until then.
INTERVAL, MINUTES = 15, 20
COUNT = MINUTES * 60 // INTERVAL

REAL = 'farm="HAFARM",real="10.1.1.51"'
DATAPATH = 'datapath="0000000000000001"'


def always(value: float) -> str:
    return f"{value:g}x{COUNT}"


def growing(step: float) -> str:
    return f"0+{step:g}x{COUNT}"


#: No sample.
ABSENT = f"_x{COUNT}"


def state(name: str, labels: str, label: str, now: str, all_of: Any) -> dict[str, str]:
    """A series for each state, of which one is 1."""
    comma = "," if labels else ""
    return {f'{name}{{{labels}{comma}{label}="{each}"}}': always(each == now) for each in all_of}


def real_in(now: str) -> dict[str, str]:
    return state("haslb_real_state", REAL, "state", now, REAL_STATES)


def probe_in(now: str) -> dict[str, str]:
    labels = f'{REAL},probe="REGISTER"'
    return state("haslb_probe_state", labels, "state", now, ("OPERATIONAL", "FAILED", "UNPROVEN", "NO_SOURCE"))


def agent_with(connected: int, reporting: int) -> dict[str, str]:
    agent = 'agent="10.1.1.51:500"'
    return {
        f"haslb_dfp_agent_connected{{{agent}}}": always(connected),
        f"haslb_dfp_agent_reporting{{{agent}}}": always(reporting),
    }


def switch_as(now: str, connected: int) -> dict[str, str]:
    return {
        f"haslb_switch_connected{{{DATAPATH}}}": always(connected),
        **state("haslb_switch_role", DATAPATH, "role", now, ("master", "waiting", "unfenced", "none")),
    }


def member_as(now: str, standbys: int) -> dict[str, str]:
    return {
        **state("haslb_cluster_state", "", "state", now, ("leader", "isolated", "standby", "claiming")),
        "haslb_cluster_standbys": always(standbys),
        "haslb_cluster_database_connected": always(1),
        "haslb_cluster_rivals_total": always(0),
        "haslb_cluster_duplicate_name": always(0),
        "haslb_cluster_configuration_refused": always(0),
    }


def latencies(slow: float) -> dict[str, str]:
    """Packet-ins, of which this share takes more than 50 ms."""
    name = "haslb_packet_in_latency_seconds_bucket"
    fast = {"0.001": 1 - slow, "0.05": 1 - slow, "0.1": 1.0, "+Inf": 1.0}
    return {f'{name}{{{DATAPATH},le="{bound}"}}': growing(1000 * share) for bound, share in fast.items()}


HEALTHY = {
    'up{job="haslb"}': always(1),
    **real_in("OPERATIONAL"),
    f"haslb_real_reachable{{{REAL}}}": always(1),
    f"haslb_real_held_down{{{REAL}}}": always(0),
    f"haslb_real_claims_refused_total{{{REAL}}}": always(0),
    **probe_in("OPERATIONAL"),
    f'haslb_switch_arp_dropped_total{{{DATAPATH},reason="metered"}}': always(0),
    'haslb_requests_total{result="dispatched"}': growing(1000),
    'haslb_requests_total{result="dropped"}': growing(1),
    'haslb_requests_dropped_total{reason="session_limit"}': always(0),
    'haslb_sessions{vserver="MIPSLB"}': always(100),
    "haslb_session_limit": always(1000),
    "haslb_session_evictions_total": always(0),
    **agent_with(connected=1, reporting=1),
    'haslb_dfp_faults_total{agent="10.1.1.51:500",kind="authentication_failures"}': always(0),
    **switch_as("master", 1),
    f"haslb_flow_mod_errors_total{{{DATAPATH}}}": always(0),
    f"haslb_switch_standing_rules_rejected{{{DATAPATH}}}": always(0),
    f"haslb_switch_overriding_rules{{{DATAPATH}}}": always(0),
    f"haslb_standby_lag_seconds{{{DATAPATH}}}": ABSENT,  # NaN, which promtool does not take
    **latencies(0.001),
}
#: It has the places of home agents from the leader.
STANDBY = {
    **switch_as("waiting", 0),
    f"haslb_standby_lag_seconds{{{DATAPATH}}}": always(0.1),
    **member_as("standby", 1),
}


class Case(NamedTuple):
    """What a balancer exposes beside :data:`HEALTHY`, and the alerts that this fires."""

    changed: Mapping[str, str]
    alerts: tuple[str, ...] = ()


CASES = {
    "healthy": Case({}),
    "leads a cluster": Case(member_as("leader", 1)),
    "stands by in a cluster": Case(STANDBY, ("HaslbNoLeader",)),
    "waits for the other balancer": Case({**switch_as("waiting", 0), f"haslb_real_reachable{{{REAL}}}": always(0)}),
    "waits at one switch and serves another": Case(
        {
            f"haslb_real_reachable{{{REAL}}}": always(0),
            'haslb_switch_connected{datapath="0000000000000002"}': always(0),
            'haslb_switch_role{datapath="0000000000000002",role="waiting"}': always(1),
        },
        ("HaslbNoRealOperational", "HaslbRealUnreachable"),
    ),
    "down": Case({'up{job="haslb"}': always(0)}, ("HaslbDown",)),
    "failed": Case(real_in("FAILED"), ("HaslbNoRealOperational", "HaslbRealNotOperational")),
    "demoted": Case(real_in("DEMOTED"), ("HaslbRealNotOperational",)),
    "failed by a probe": Case(real_in("PROBE_FAILED"), ("HaslbNoRealOperational", "HaslbRealNotOperational")),
    "full": Case(real_in("MAXCONNS"), ("HaslbNoRealOperational", "HaslbRealFull")),
    "throttled": Case(real_in("DFP_THROTTLED"), ("HaslbNoRealOperational",)),
    "drained": Case(real_in("DRAINED"), ("HaslbNoRealOperational",)),
    "unreachable": Case(
        {f"haslb_real_reachable{{{REAL}}}": always(0)}, ("HaslbNoRealOperational", "HaslbRealUnreachable")
    ),
    "unreachable and out of service": Case(
        {**real_in("OUTOFSERVICE"), f"haslb_real_reachable{{{REAL}}}": always(0)}, ("HaslbNoRealOperational",)
    ),
    "flaps": Case({f"haslb_real_held_down{{{REAL}}}": always(1)}, ("HaslbRealHeldDown",)),
    "claimed": Case({f"haslb_real_claims_refused_total{{{REAL}}}": growing(1)}, ("HaslbRealClaimed",)),
    "unproven": Case(probe_in("UNPROVEN"), ("HaslbProbeUnproven",)),
    "no source": Case(probe_in("NO_SOURCE"), ("HaslbProbeUnproven",)),
    "storm": Case({f'haslb_switch_arp_dropped_total{{{DATAPATH},reason="metered"}}': growing(9)}, ("HaslbArpStorm",)),
    "drops": Case({'haslb_requests_total{result="dropped"}': growing(100)}, ("HaslbRequestsDropped",)),
    "near the limit": Case({'haslb_sessions{vserver="MIPSLB"}': always(950)}, ("HaslbSessionLimitNear",)),
    "evicts": Case({"haslb_session_evictions_total": growing(10)}, ("HaslbSessionsEvicted",)),
    "at the limit": Case(
        {'haslb_requests_dropped_total{reason="session_limit"}': growing(10)}, ("HaslbSessionsEvicted",)
    ),
    "agent lost": Case(agent_with(connected=0, reporting=0), ("HaslbDfpAgentLost",)),
    "agent without a report": Case(agent_with(connected=1, reporting=0), ("HaslbDfpAgentNotReporting",)),
    "agent without a report for the last five minutes": Case(
        {'haslb_dfp_agent_reporting{agent="10.1.1.51:500"}': f"1x{COUNT - 21} 0x20"}
    ),
    "agent with another password": Case(
        {'haslb_dfp_faults_total{agent="10.1.1.51:500",kind="authentication_failures"}': growing(1)},
        ("HaslbDfpFaults",),
    ),
    "switch lost": Case(switch_as("none", 0), ("HaslbSwitchDisconnected",)),
    "switch rejects": Case({f"haslb_flow_mod_errors_total{{{DATAPATH}}}": growing(1)}, ("HaslbFlowModErrors",)),
    "rules rejected": Case(
        {f"haslb_switch_standing_rules_rejected{{{DATAPATH}}}": always(1)}, ("HaslbStandingRulesRejected",)
    ),
    "overridden": Case({f"haslb_switch_overriding_rules{{{DATAPATH}}}": always(2)}, ("HaslbRulesOverridden",)),
    "slow": Case(latencies(0.02), ("HaslbPacketInSlow",)),
    "no standby": Case(member_as("leader", 0), ("HaslbNoStandby",)),
    "alone without a database": Case(
        {**member_as("isolated", 0), "haslb_cluster_database_connected": always(0)},
        ("HaslbClusterDatabaseLost", "HaslbNoStandby"),
    ),
    "two leaders": Case({**member_as("leader", 1), "haslb_cluster_rivals_total": growing(1)}, ("HaslbTwoLeaders",)),
    "two of one name": Case(
        {**member_as("leader", 1), "haslb_cluster_duplicate_name": always(1)}, ("HaslbDuplicateName",)
    ),
    "refuses the configuration": Case(
        {**member_as("leader", 1), "haslb_cluster_configuration_refused": always(1)}, ("HaslbConfigurationRefused",)
    ),
    "behind": Case(
        {**STANDBY, f"haslb_standby_lag_seconds{{{DATAPATH}}}": always(9)}, ("HaslbNoLeader", "HaslbStandbyBehind")
    ),
}


def test_every_alert_is_tried() -> None:
    assert {alert for case in CASES.values() for alert in case.alerts} == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_a_world_has_every_state_of_a_real_server() -> None:
    assert {each.value for each in Health} <= set(REAL_STATES)


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool; 'make testmachine' installs it")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_alerts_that_a_state_fires(case: Case, tmp_path: Path) -> None:
    evaluate({**HEALTHY, **case.changed}, case.alerts, tmp_path)


def evaluate(series: Mapping[str, str], alerts: tuple[str, ...], folder: Path) -> None:
    """Fail unless exactly these alerts fire at the end, once each or more often."""
    names = "|".join(alerts) or "none"
    others = f'ALERTS{{alertstate="firing",alertname!~"{names}"}}'
    expected: list[dict[str, object]] = [{"expr": others, "eval_time": f"{MINUTES}m", "exp_samples": []}]
    for alert in alerts:
        count = f'count(ALERTS{{alertstate="firing",alertname="{alert}"}}) > bool 0'
        samples = [{"labels": "{}", "value": 1}]
        expected.append({"expr": count, "eval_time": f"{MINUTES}m", "exp_samples": samples})
    test = {
        "interval": f"{INTERVAL}s",
        "input_series": [{"series": of_instance(each), "values": values} for each, values in series.items()],
        "promql_expr_test": expected,
    }
    path = folder / "test.yaml"
    document = {"rule_files": [str(RULES)], "evaluation_interval": f"{INTERVAL}s", "tests": [test]}
    path.write_text(yaml.safe_dump(document))
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def of_instance(series: str) -> str:
    """The series as Prometheus keeps it after it has scraped it from one balancer."""
    name, _, labels = series.partition("{")
    return f'{name}{{instance="b1:8080",{labels or "}"}'
