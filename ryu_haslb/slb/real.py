"""A real server: its weight, its sessions, and the state machine of its health."""

from __future__ import annotations

from enum import Enum
from typing import Optional

from ryu_haslb.configuration.model import RealServer as RealServerConfiguration


class Health(Enum):
    """The health of a real server, as failure detection sees it (IOS SLB)."""

    OPERATIONAL = "OPERATIONAL"
    FAILED = "FAILED"
    READY_TO_TEST = "READY_TO_TEST"
    TESTING = "TESTING"


class HealthEvent(Enum):
    """What changes a real server's health; the text labels an arrow in ``docs/states.md``."""

    FAILURE_THRESHOLD = "numconns failures from numclients clients"
    RETRY_TIME_OVER = "retry time is over"
    TEST_STARTED = "next session is assigned"
    TEST_SUCCEEDED = "the session is not retried"
    TEST_FAILED = "the session is retried"
    TEST_ABANDONED = "the session is cleared, closed or moved"
    DFP_REPORT = "DFP weight above 0"
    DETECTION_OFF = "no faildetect inband"


#: The whole state machine; ``docs/states.md`` is drawn from it. A pair that is not here leaves the health as it is.
HEALTH_TRANSITIONS: dict[tuple[Health, HealthEvent], Health] = {
    (Health.OPERATIONAL, HealthEvent.FAILURE_THRESHOLD): Health.FAILED,
    (Health.FAILED, HealthEvent.RETRY_TIME_OVER): Health.READY_TO_TEST,
    (Health.FAILED, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.READY_TO_TEST, HealthEvent.TEST_STARTED): Health.TESTING,
    (Health.READY_TO_TEST, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.TEST_SUCCEEDED): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.TEST_FAILED): Health.FAILED,
    (Health.TESTING, HealthEvent.TEST_ABANDONED): Health.READY_TO_TEST,
    (Health.TESTING, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.FAILED, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.READY_TO_TEST, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
}


class RealServer:
    """One ``real`` of one farm, while the balancer runs.

    ``reachable_from`` holds the datapath ids of the switches that have found the real server. ``sessions`` is the
    number that ``show ip slb reals`` prints as conns; ``total_sessions`` counts all sessions that it ever had.
    """

    __slots__ = (
        "configuration",
        "connection_failures",
        "consecutive_failures",
        "dfp_weight",
        "failed_at",
        "failed_clients",
        "farm_name",
        "health",
        "in_service",
        "packed_address",
        "reachable_from",
        "sessions",
        "total_sessions",
        "weight",
    )

    def __init__(self, farm_name: str, configuration: RealServerConfiguration) -> None:
        self.farm_name = farm_name
        self.packed_address = configuration.address.packed
        self.dfp_weight: Optional[int] = None
        self.health = Health.OPERATIONAL
        self.sessions = 0
        self.total_sessions = 0
        self.reachable_from: set[int] = set()
        self.failed_at = 0.0
        self.consecutive_failures = 0
        self.failed_clients: set[bytes] = set()
        self.connection_failures = 0
        self.configure(configuration)

    def configure(self, configuration: RealServerConfiguration) -> None:
        """Apply another configuration of the same address. Sessions stay, and so does the health.

        Without failure detection (``no faildetect inband``) no real server is failed, also none that it failed before.
        """
        self.configuration = configuration
        self.in_service = configuration.in_service
        self.weight = configuration.weight if self.dfp_weight is None else self.dfp_weight
        if not configuration.faildetect_inband:
            self._handle(HealthEvent.DETECTION_OFF)
            self._forget_failures()

    @property
    def state(self) -> str:
        """The state as ``show ip slb reals`` prints it."""
        if not self.in_service:
            return "OUTOFSERVICE"
        if self.health is not Health.OPERATIONAL:
            return str(self.health.value)
        if self.dfp_weight == 0:
            return "DFP_THROTTLED"
        return "MAXCONNS" if self.is_full else "OPERATIONAL"

    @property
    def is_usable(self) -> bool:
        """Whether it is in service and not failed."""
        return self.in_service and self.health is Health.OPERATIONAL

    @property
    def is_full(self) -> bool:
        """Whether it has ``maxconns`` sessions."""
        maxconns = self.configuration.maxconns
        return maxconns is not None and self.sessions >= maxconns

    def accepts_sessions_from(self, datapath_id: int) -> bool:
        """Whether the predictor may give it a new session whose request this switch received."""
        return self.health is Health.OPERATIONAL and self._has_room_for(datapath_id)

    def awaits_test_from(self, datapath_id: int) -> bool:
        """Whether the next new session at this switch tests it."""
        return self.health is Health.READY_TO_TEST and self._has_room_for(datapath_id)

    def _has_room_for(self, datapath_id: int) -> bool:
        return self.weight > 0 and self.in_service and datapath_id in self.reachable_from and not self.is_full

    def set_dfp_weight(self, weight: Optional[int]) -> None:
        """Use the weight that DFP has for it; None restores the static weight."""
        self.dfp_weight = weight
        self.weight = self.configuration.weight if weight is None else weight

    def record_dfp_report(self) -> None:
        """An agent has just reported on it: a weight above 0 ends a failure (chapter, "Dispatched mode with DFP")."""
        if self.dfp_weight:
            self._handle(HealthEvent.DFP_REPORT)

    def record_failure(self, client: bytes, now: float) -> None:
        """Count one connection failure, and fail the real server at the configured threshold."""
        self.connection_failures += 1
        if not self.configuration.faildetect_inband:
            return
        self.consecutive_failures += 1
        if len(self.failed_clients) < self.configuration.faildetect_numclients:
            self.failed_clients.add(client)
        enough_clients = len(self.failed_clients) >= self.configuration.faildetect_numclients
        if enough_clients and self.consecutive_failures >= self.configuration.faildetect_numconns:
            self._handle(HealthEvent.FAILURE_THRESHOLD, now)

    def record_success(self) -> None:
        """A session was not retried: the failures before it are no longer consecutive."""
        if self.health is Health.OPERATIONAL:
            self._forget_failures()

    def start_test(self) -> None:
        """The next session shows whether the real server is back."""
        self._handle(HealthEvent.TEST_STARTED)

    def pass_test(self) -> None:
        """The testing session was not retried."""
        self._handle(HealthEvent.TEST_SUCCEEDED)

    def fail_test(self, client: bytes, now: float) -> None:
        """The testing session was retried."""
        self.record_failure(client, now)
        self._handle(HealthEvent.TEST_FAILED, now)

    def abandon_test(self) -> None:
        """The testing session ended before it showed anything."""
        self._handle(HealthEvent.TEST_ABANDONED)

    def retry_if_due(self, now: float) -> None:
        """Make a failed real server ready to test after ``retry`` seconds; with ``retry 0`` it stays failed."""
        retry = self.configuration.retry
        if self.health is Health.FAILED and retry and now >= self.failed_at + retry:
            self._handle(HealthEvent.RETRY_TIME_OVER)

    def _handle(self, event: HealthEvent, now: float = 0.0) -> None:
        after = HEALTH_TRANSITIONS.get((self.health, event))
        if after is None:
            return
        self.health = after
        if after is Health.FAILED:
            self.failed_at = now
        elif after is Health.OPERATIONAL:
            self._forget_failures()

    def _forget_failures(self) -> None:
        self.consecutive_failures = 0
        self.failed_clients.clear()
