"""How long behind a barrier reply a rule acts, as ``haslb switch-test`` measures it."""

from __future__ import annotations

import pytest
from tested_switch import CABLE, STEP, TestedSwitch

from ryu_haslb.openflow.capabilities.capabilities import Capability
from ryu_haslb.switch_test import lag_trial, packet_trials
from ryu_haslb.switch_test.trial import Result, ignored
from ryu_haslb.switch_test.verdicts import serves


@pytest.mark.parametrize(("lag", "result"), [(0.0, Result.WORKS), (0.4, Result.WORKS), (2.0, Result.IGNORED)])
def test_how_long_rules_take_to_act_is_measured(lag: float, result: Result) -> None:
    """Hardware replies to a barrier before its data plane has the rules, against OpenFlow 1.3.5, section 7.3.8."""
    tested = TestedSwitch(CABLE, flow_mod_lag=lag)
    findings = tested.examine()
    assert findings.outcomes[Capability.BARRIERS].result is result
    (found,) = [each for each in findings.measured if each.token == "rule_lag_ms"]
    assert found.value is not None
    assert lag * 1000 <= found.value <= (lag + 2 * STEP) * 1000 if lag else not found.value


def test_a_switch_whose_rules_act_after_long_is_waited_for_no_longer_than_some_seconds() -> None:
    findings = TestedSwitch(CABLE, flow_mod_lag=60.0).examine()
    assert not serves(findings)
    assert findings.outcomes[Capability.BARRIERS].result is Result.NOT_TRIED


def test_rules_that_act_no_longer_in_time_are_said() -> None:
    """The first rule acted at once; the switch is busy since then."""
    tested = TestedSwitch(CABLE)
    tested.run(packet_trials.table_output(tested.bench))
    tested.switch.datapath.tables[0]._later = lambda *_: None
    outcome = tested.run(lag_trial.barriers(tested.bench)).result
    assert outcome == ignored("a rule does not act within 5 s of the barrier reply")
