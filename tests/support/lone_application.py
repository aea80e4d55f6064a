"""What operations act on where there is neither an engine nor a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Callable, Optional

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control.rollback import Rollback
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.slb.balancer import MAX_SESSIONS_PER_STEP, Balancer
from ryu_haslb.slb.session_filter import SessionFilter


class LoneApplication:
    """A balancer, its configuration, and switches that confirm a retirement as ``retired`` says."""

    def __init__(self, configuration: Configuration, balancer: Balancer) -> None:
        self.configuration = configuration
        self.balancer = balancer
        self.startup_file, self.rollback = StartupFile("/etc/haslb/haslb.ios"), Rollback()
        self.retired: dict[int, Optional[bool]] = {}

    def configure(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.balancer.configure(configuration)

    def clear_sessions(self, wanted: SessionFilter) -> Iterator[int]:
        return self.balancer.clear_in_slices(wanted, MAX_SESSIONS_PER_STEP)

    def commit_configuration(self, text: str, source: str, basis: Basis) -> Callable[[], Iterable[str]]:
        """There is no cluster."""
        return tuple

    def clear_counters(self) -> None:
        self.balancer.clear_counters()

    def end_retirement(self) -> None:
        """It is not retired."""

    def retire(self) -> Mapping[int, Optional[bool]]:
        return self.retired
