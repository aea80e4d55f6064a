"""A real server: its weight, its sessions, and what changes its health."""

from __future__ import annotations

from typing import Final, Optional

from ryu_haslb.configuration.model import Drain
from ryu_haslb.configuration.model import RealServer as RealServerConfiguration
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT
from ryu_haslb.slb.doubt import Doubt
from ryu_haslb.slb.health import HEALTH_TRANSITIONS, Health, HealthEvent

# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; these are for the request path.
_OPERATIONAL: Final = Health.OPERATIONAL
_READY_TO_TEST: Final = Health.READY_TO_TEST

#: Mobiles whose connection failures count; ``numconns`` is 255 at most.
MAX_FAILED_MOBILES: Final = 255


class RealServer:
    """One ``real`` of one farm, while the balancer runs.

    ``reachable_from`` holds the datapath ids of the switches that have found the real server. ``sessions`` is the
    number that ``show ip slb reals`` prints as conns; ``total_sessions`` counts all sessions that it ever had.
    ``ready_to_test`` holds the real servers of the farm that await a test; this one adds and removes itself.
    ``failed_mobiles`` and ``failed_clients`` are those whose connection failures count: each has one vote until the
    real server has answered. ``doubt`` holds what else speaks against it. ``failed_probes`` are the names of the
    probes of its farm that it does not answer.

    While it is drained its weight is 0, also if DFP reports another, so that no new session goes there. Requests that
    name it are delivered: it has the bindings of their mobiles. With ``moves_sessions`` its sessions move with their
    next request, if another real server can take them.
    """

    __slots__ = (
        "_ready_to_test",
        "configuration",
        "connection_failures",
        "dfp_weight",
        "doubt",
        "failed_at",
        "failed_clients",
        "failed_mobiles",
        "failed_probes",
        "farm_name",
        "health",
        "in_service",
        "moves_sessions",
        "packed_address",
        "reachable_from",
        "sessions",
        "total_sessions",
        "weight",
    )

    def __init__(
        self, farm_name: str, configuration: RealServerConfiguration, ready_to_test: Optional[set[RealServer]] = None
    ) -> None:
        self.farm_name = farm_name
        self._ready_to_test = set() if ready_to_test is None else ready_to_test
        self.packed_address = configuration.address.packed
        self.dfp_weight: Optional[int] = None
        self.health = Health.OPERATIONAL
        self.sessions = 0
        self.total_sessions = 0
        self.reachable_from: set[int] = set()
        self.failed_at = 0.0
        self.failed_mobiles: set[bytes] = set()
        self.failed_clients: set[bytes] = set()
        self.connection_failures = 0
        self.doubt = Doubt()
        self.failed_probes: set[str] = set()
        self.configure(configuration)

    def configure(self, configuration: RealServerConfiguration) -> None:
        """Apply another configuration of the same address and port. Sessions stay, and so does the health.

        ``no faildetect inband`` also ends a failure that failure detection has found before.
        """
        self.configuration = configuration
        self.in_service = configuration.in_service
        self.moves_sessions = configuration.drain is Drain.MOVE
        self.set_dfp_weight(self.dfp_weight)
        if not configuration.faildetect_inband:
            if not self.failed_probes:
                self._handle(HealthEvent.DETECTION_OFF)
            self._forget_failures()

    @property
    def state(self) -> str:
        """The state as ``show ip slb reals`` prints it."""
        if not self.in_service:
            return "OUTOFSERVICE"
        if self.health is not Health.OPERATIONAL:
            return str(self.health.value)
        if self.configuration.drain is not None:
            return "DRAINING" if self.sessions else "DRAINED"
        if self.dfp_weight == 0:
            return "DFP_THROTTLED"
        return "MAXCONNS" if self.is_full else "OPERATIONAL"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return port_of(self.configuration)

    @property
    def key(self) -> tuple[bytes, int]:
        """What distinguishes it from the other real servers of its farm: its address and port."""
        return self.packed_address, self.port

    @property
    def name(self) -> str:
        """Its address, and its port unless that is the default."""
        return real_name(str(self.configuration.address), self.port)

    @property
    def is_usable(self) -> bool:
        """Whether it is in service, not drained, and either has not failed or is the last one that can serve."""
        is_in_use = self.in_service and self.configuration.drain is None
        return is_in_use and self.health in (Health.OPERATIONAL, Health.DEMOTED)

    @property
    def can_serve(self) -> bool:
        """Whether new sessions may go to it wherever it can be reached; it may have ``maxconns`` sessions already."""
        return self.health is Health.OPERATIONAL and self.in_service and self.weight > 0

    @property
    def consecutive_failures(self) -> int:
        """Connection failures since it last answered, of different mobiles."""
        return len(self.failed_mobiles)

    @property
    def is_full(self) -> bool:
        """Whether it has ``maxconns`` sessions."""
        maxconns = self.configuration.maxconns
        return maxconns is not None and self.sessions >= maxconns

    def accepts_sessions_from(self, datapath_id: int) -> bool:
        """Whether the predictor may give it a new session whose request this switch received."""
        if self.health is not _OPERATIONAL or not self.in_service or self.weight <= 0:
            return False
        maxconns = self.configuration.maxconns
        return datapath_id in self.reachable_from and (maxconns is None or self.sessions < maxconns)

    def accepts_sessions_elsewhere(self, datapath_id: int) -> bool:
        """Whether the predictor may give it new sessions of other switches, while this one cannot reach it."""
        if datapath_id in self.reachable_from or not self.reachable_from:
            return False
        return self.can_serve and not self.is_full

    def lacks_one_place_for(self, datapath_id: int) -> bool:
        """Whether it would accept a new session whose request this switch received if it had one session less."""
        if not self.can_serve or datapath_id not in self.reachable_from:
            return False
        return self.sessions == self.configuration.maxconns

    def awaits_test_from(self, datapath_id: int) -> bool:
        """Whether the next new session at this switch tests it."""
        return self.health is _READY_TO_TEST and self._has_room_for(datapath_id)

    def is_last_resort_for(self, datapath_id: int) -> bool:
        """Whether it has failed, and may get a session of this switch if no other real server may."""
        return self.health is not Health.OPERATIONAL and self._has_room_for(datapath_id)

    def _has_room_for(self, datapath_id: int) -> bool:
        return self.weight > 0 and self.in_service and datapath_id in self.reachable_from and not self.is_full

    def set_dfp_weight(self, weight: Optional[int]) -> None:
        """Use the weight that an agent has reported; None restores the static weight. Neither counts during a drain."""
        self.dfp_weight = weight
        if self.configuration.drain is not None:
            self.weight = 0
        else:
            self.weight = self.configuration.weight if weight is None else weight

    def record_dfp_report(self) -> None:
        """An agent has just reported on it: a weight above 0 ends a failure (chapter, "Dispatched mode with DFP")."""
        if self.dfp_weight and not self.failed_probes:
            self._handle(HealthEvent.DFP_REPORT)

    @property
    def is_watched(self) -> bool:
        """Whether the switches are to copy its replies to us: it is in doubt, or has failed."""
        return self.doubt.since is not None or self.health is not _OPERATIONAL

    def record_retry(self, mobile: bytes, now: float) -> None:
        """A mobile has retried: enough of them bring the real server into doubt."""
        if self.configuration.faildetect_inband:
            self.doubt.record_retry(mobile, self.configuration.faildetect_numconns, now)

    def look_for_replies(self, now: float) -> None:
        """A session is about to move: bring the real server into doubt."""
        if self.configuration.faildetect_inband:
            self.doubt.look(now)

    def record_reply(self, now: float) -> None:
        """A reply was seen: it lives, regardless of the failures before."""
        self.doubt.record_reply(now)
        self._forget_failures()
        self.failed_probes.clear()
        self._handle(HealthEvent.REPLY_SEEN)

    def record_failure(self, mobile: bytes, client: bytes) -> None:
        """Count one connection failure. ``mobile`` and ``client`` vote, unless they have since it last answered."""
        self.connection_failures += 1
        if not self.configuration.faildetect_inband:
            return
        if len(self.failed_mobiles) < MAX_FAILED_MOBILES:
            self.failed_mobiles.add(mobile)
        if len(self.failed_clients) < self.configuration.faildetect_numclients:
            self.failed_clients.add(client)

    def has_failed(self, clients: int) -> bool:
        """Whether its failures have reached the threshold, where ``clients`` clients send requests to its farm."""
        configuration = self.configuration
        enough_clients = len(self.failed_clients) >= min(configuration.faildetect_numclients, max(clients, 1))
        return enough_clients and self.consecutive_failures >= configuration.faildetect_numconns

    def fail(self, now: float, is_last: bool) -> None:
        """The threshold is reached. The last real server of a farm that can serve is demoted instead of failed."""
        if self.health is Health.OPERATIONAL:
            self.failed_at = now
            self._handle(HealthEvent.LAST_FAILED if is_last else HealthEvent.FAILURE_THRESHOLD)

    def fail_probe(self, probe: str, now: float, is_last: bool) -> None:
        """It does not answer a probe. The last real server of a farm that can serve is demoted instead of failed."""
        if self.health in (Health.OPERATIONAL, Health.READY_TO_TEST, Health.TESTING):
            self.failed_at = now
        self.failed_probes.add(probe)
        is_serving = self.health is Health.OPERATIONAL
        self._handle(HealthEvent.LAST_UNANSWERED if is_last and is_serving else HealthEvent.PROBE_UNANSWERED)

    def pass_probe(self, probe: str) -> None:
        """It has answered a probe, or its farm has this probe no more.

        Another member of the cluster may have failed it, without saying by which of its probes.
        """
        has_failed = probe in self.failed_probes or (self.health is Health.PROBE_FAILED and not self.failed_probes)
        self.failed_probes.discard(probe)
        if has_failed and not self.failed_probes:
            self._handle(HealthEvent.PROBES_ANSWERED)

    def end_probes(self) -> None:
        """No probe asks it."""
        has_failed = self.failed_probes or self.health is Health.PROBE_FAILED
        self.failed_probes.clear()
        if has_failed:
            self._handle(HealthEvent.PROBES_ANSWERED)

    def demote(self) -> None:
        """No other real server can serve: a failed one does."""
        self._handle(HealthEvent.NO_OTHER_SERVES)

    def yield_to_others(self) -> None:
        """Another real server can serve: a demoted one counts as failed."""
        self._handle(HealthEvent.OTHER_SERVES)
        if self.failed_probes:
            self._handle(HealthEvent.PROBE_UNANSWERED)

    def record_success(self) -> None:
        """A session was not retried: the failures before it are no longer consecutive."""
        if self.health is Health.OPERATIONAL:
            self._forget_failures()
        if not self.failed_probes:
            self._handle(HealthEvent.SESSION_SUCCEEDED)

    def start_test(self) -> None:
        """The next session shows whether the real server is back."""
        self._handle(HealthEvent.TEST_STARTED)

    def pass_test(self) -> None:
        """The testing session was not retried, although no reply was seen: replies no longer pass our switches."""
        self.doubt.answers_visibly = False
        self._handle(HealthEvent.TEST_SUCCEEDED)

    def fail_test(self, mobile: bytes, client: bytes, now: float) -> None:
        """The testing session was retried."""
        self.record_failure(mobile, client)
        self.failed_at = now
        self._handle(HealthEvent.TEST_FAILED)

    def abandon_test(self) -> None:
        """The testing session ended before it showed anything."""
        self._handle(HealthEvent.TEST_ABANDONED)

    def take_over_health(self, health: Health, failed_at: float) -> None:
        """Another member of the cluster has judged. A test that it has begun is left to the next session."""
        self._forget_failures()
        if health is not Health.PROBE_FAILED:
            self.failed_probes.clear()
            if not self.configuration.faildetect_inband:
                health = Health.OPERATIONAL
        self._enter(Health.READY_TO_TEST if health is Health.TESTING else health)
        self.failed_at = failed_at

    def retry_if_due(self, now: float) -> None:
        """Make a failed real server ready to test after ``retry`` seconds; with ``retry 0`` it stays failed."""
        retry = self.configuration.retry
        if self.health is Health.FAILED and retry and now >= self.failed_at + retry:
            self._handle(HealthEvent.RETRY_TIME_OVER)

    def _handle(self, event: HealthEvent) -> None:
        after = HEALTH_TRANSITIONS.get((self.health, event))
        if after is None:
            return
        self._enter(after)
        if after is Health.OPERATIONAL:
            self._forget_failures()

    def _enter(self, health: Health) -> None:
        self.health = health
        if health is _READY_TO_TEST:
            self._ready_to_test.add(self)
        else:
            self._ready_to_test.discard(self)

    def _forget_failures(self) -> None:
        self.failed_mobiles.clear()
        self.failed_clients.clear()
        self.doubt.end()


def port_of(configuration: RealServerConfiguration) -> int:
    """The port that a real server with this configuration listens on."""
    return configuration.port or MOBILE_IP_PORT


def key_of(configuration: RealServerConfiguration) -> tuple[bytes, int]:
    """The key (:attr:`RealServer.key`) of a real server with this configuration."""
    return configuration.address.packed, port_of(configuration)


def real_name(address: str, port: int) -> str:
    """The name of a real server in tables, metrics and log lines: its address, and its port unless that is 434."""
    return address if port == MOBILE_IP_PORT else f"{address}:{port}"
