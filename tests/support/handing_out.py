"""In which order tests begin, and which of them ``--dist loadfile`` gives to one worker.

Tests of a file mostly share a lab, so a worker gets the whole file, and no run is faster than its longest file. Where
each test or class brings up by itself what it needs, it is therefore handed out by itself.
"""

from __future__ import annotations

from typing import Optional

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

#: The files that take longest, the longest first: none of them is to begin last.
LONGEST = (
    "lab/test_added_rules.py",
    "lab/test_failure.py",
    "lab/test_cluster_failures.py",
    "lab/test_ipsec_failures.py",
    "lab/test_dfp.py",
    "lab/test_audit.py",
    "lab/test_page.py",
    "lab/test_cluster_disasters.py",
    "lab/test_cluster.py",
    "lab/test_cluster_document.py",
    "lab/test_arp_attacks.py",
    "lab/test_recovery.py",
    "lab/test_storm.py",
    "lab/test_haslb_lab.py",
    "lab/test_scenarios.py",
    "lab/test_cluster_scenario.py",
    "processes/test_switch_test.py",
    "lab/test_cluster_upgrade.py",
    "lab/test_lab_lifecycle.py",
    "lab/test_cluster_database.py",
    "attacks/test_lying_switches.py",
    "attacks/test_sweep.py",
)
#: Long files whose tests share nothing but within a class.
SEPARABLE = (
    "lab/test_haslb_lab.py",
    "lab/test_scenarios.py",
    "lab/test_cluster_scenario.py",
    "lab/test_lab_lifecycle.py",
    "lab/test_operator.py",
    "lab/test_cluster_upgrade.py",
    "lab/test_cluster_database.py",
    "processes/test_switch_test.py",
    "attacks/test_hanging_loop.py",
    "attacks/test_lying_switches.py",
    "attacks/test_openflow_connections.py",
    "attacks/test_sweep.py",
)


class FilesAndTests(LoadFileScheduling):  # type: ignore[misc]
    """Hands out file after file, and test after test, or class after class, of :data:`SEPARABLE` files."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays together with this test has the same name."""
        return together_with(nodeid)

    def remove_node(self, node: WorkerController) -> Optional[str]:
        """The test during which a worker has ended, if one was running. It has failed; the others go to other workers.

        xdist would hand it out again as well, and a test that hangs (``faulthandler_timeout``) would hang each time.
        """
        work = self.assigned_work[node]
        running = next(((unit, test) for unit in work.values() for test, is_done in unit.items() if not is_done), None)
        if running is not None:
            unit, test = running
            unit[test] = True
        for name in [name for name, unit in work.items() if all(unit.values())]:
            del work[name]
        super().remove_node(node)
        return running[1] if running else None


def together_with(nodeid: str) -> str:
    """The file of a test; of a separable file its class, or the test itself."""
    file, *names = nodeid.split("::")
    return f"{file}::{names[0]}" if file.endswith(SEPARABLE) else file
