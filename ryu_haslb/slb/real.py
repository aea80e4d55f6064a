"""A real server: its weight, its sessions, and the state machine of its health."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Optional

from ryu_haslb.configuration.model import RealServer as RealServerConfiguration

if TYPE_CHECKING:
    from ryu_haslb.slb.session import Session


class Health(Enum):
    """What failure detection knows of a real server (IOS SLB)."""

    OPERATIONAL = "OPERATIONAL"
    FAILED = "FAILED"
    READY_TO_TEST = "READY_TO_TEST"
    TESTING = "TESTING"


class HealthEvent(Enum):
    """What changes a real server's health."""

    FAILURE_THRESHOLD = "numconns failures from numclients clients"
    RETRY_TIME_OVER = "retry time is over"
    TEST_STARTED = "next session is assigned"
    TEST_SUCCEEDED = "the session is not retried"
    TEST_FAILED = "the session is retried"
    TEST_ABANDONED = "the session is cleared, closed or moved"
    DFP_REPORT = "DFP weight above 0"


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
}


class RealServer:
    """One ``real`` of one farm, while the balancer runs.

    ``reachable_from`` holds the ids of the switches that know where the real server is; ``sessions`` is the number
    that ``show ip slb reals`` prints as conns, ``total_sessions`` counts all there ever were;
    ``test_session`` is the one that tests it while it is TESTING.
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
        "test_session",
        "total_sessions",
        "weight",
    )

    def __init__(self, farm_name: str, configuration: RealServerConfiguration) -> None:
        self.farm_name = farm_name
        self.packed_address = configuration.address.packed
        self.dfp_weight: Optional[int] = None
        self.configure(configuration)
        self.health = Health.OPERATIONAL
        self.sessions = 0
        self.total_sessions = 0
        self.reachable_from: set[int] = set()
        self.failed_at = 0.0
        self.consecutive_failures = 0
        self.failed_clients: set[bytes] = set()
        self.connection_failures = 0
        self.test_session: Optional[Session] = None

    def configure(self, configuration: RealServerConfiguration) -> None:
        """Go by another configuration of the same address; sessions and health stay."""
        self.configuration = configuration
        self.in_service = configuration.in_service
        self.weight = configuration.weight if self.dfp_weight is None else self.dfp_weight

    @property
    def state(self) -> str:
        """The state as ``show ip slb reals`` prints it."""
        if not self.in_service:
            return "OUTOFSERVICE"
        if self.health is not Health.OPERATIONAL:
            return str(self.health.value)
        if self.dfp_weight == 0:
            return "DFP_THROTTLED"
        return "MAXCONNS" if self.full else "OPERATIONAL"

    @property
    def usable(self) -> bool:
        """In service, and well as far as failure detection knows."""
        return self.in_service and self.health is Health.OPERATIONAL

    @property
    def full(self) -> bool:
        """``maxconns`` sessions are there already."""
        maxconns = self.configuration.maxconns
        return maxconns is not None and self.sessions >= maxconns

    def takes_sessions_from(self, datapath_id: int) -> bool:
        """Whether the rotation may give it a new session whose request came in at this switch."""
        return self.health is Health.OPERATIONAL and self._has_room_for(datapath_id)

    def awaits_test_from(self, datapath_id: int) -> bool:
        """Whether the next new session at this switch is to test it."""
        return self.health is Health.READY_TO_TEST and self._has_room_for(datapath_id)

    def _has_room_for(self, datapath_id: int) -> bool:
        return self.weight > 0 and self.in_service and datapath_id in self.reachable_from and not self.full

    def set_dfp_weight(self, weight: Optional[int]) -> None:
        """Go by the weight that DFP has for it; None brings the static weight back."""
        self.dfp_weight = weight
        self.weight = self.configuration.weight if weight is None else weight

    def hear_from_dfp(self) -> None:
        """An agent has just reported on it: with a weight above 0 that ends a failure (the chapter)."""
        if self.dfp_weight:
            self._handle(HealthEvent.DFP_REPORT)

    def record_failure(self, client: bytes, now: float) -> None:
        """Count one connection failure, and fail the real server at the configured threshold."""
        self.connection_failures += 1
        self.consecutive_failures += 1
        if len(self.failed_clients) < self.configuration.faildetect_numclients:
            self.failed_clients.add(client)
        enough_clients = len(self.failed_clients) >= self.configuration.faildetect_numclients
        if enough_clients and self.consecutive_failures >= self.configuration.faildetect_numconns:
            self._handle(HealthEvent.FAILURE_THRESHOLD, now)

    def record_success(self, session: Session) -> None:
        """A session was not retried: failures before it are no longer consecutive; if it was the test, it is passed."""
        if self.test_session is session:
            self._handle(HealthEvent.TEST_SUCCEEDED)
        elif self.health is Health.OPERATIONAL:
            self._forget_failures()

    def start_test(self, session: Session) -> None:
        """Let this session find out whether the real server is well again."""
        self._handle(HealthEvent.TEST_STARTED)
        self.test_session = session

    def fail_test(self, client: bytes, now: float) -> None:
        """The testing session was retried."""
        self.record_failure(client, now)
        self._handle(HealthEvent.TEST_FAILED, now)

    def abandon_test(self, session: Session) -> None:
        """This session ends before it has shown anything: if it was the test, the next session is."""
        if self.test_session is session:
            self._handle(HealthEvent.TEST_ABANDONED)

    def retry_if_due(self, now: float) -> None:
        """End the rest of a failed real server after ``retry`` seconds; 0 means that it rests for ever."""
        retry = self.configuration.retry
        if self.health is Health.FAILED and retry and now >= self.failed_at + retry:
            self._handle(HealthEvent.RETRY_TIME_OVER)

    def _handle(self, event: HealthEvent, now: float = 0.0) -> None:
        after = HEALTH_TRANSITIONS.get((self.health, event))
        if after is None:
            return
        self.health = after
        if after is not Health.TESTING:
            self.test_session = None
        if after is Health.FAILED:
            self.failed_at = now
        elif after is Health.OPERATIONAL:
            self._forget_failures()

    def _forget_failures(self) -> None:
        self.consecutive_failures = 0
        self.failed_clients.clear()
