"""A server farm: real servers and the predictor that chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Optional

from ryu_haslb.configuration.model import ServerFarm as ServerFarmConfiguration
from ryu_haslb.slb.health import Health
from ryu_haslb.slb.predictor import PREDICTORS
from ryu_haslb.slb.real import RealServer, key_of

# Until Python 3.12 to look up a member in an Enum takes five times as long as a name; these are for the request path.
_OPERATIONAL: Final = Health.OPERATIONAL
_READY_TO_TEST: Final = Health.READY_TO_TEST
#: Seconds for which a client that has sent a request counts as one that sends to the farm.
CLIENT_TIMEOUT: Final = 600.0
#: The most clients that are remembered. More than ``numclients``, which is 8 at most, need not be known.
MAX_CLIENTS: Final = 64


#: The state of a farm for that of its best real server that can be reached, the best first; without any: FAILED.
_STATES: Final = {
    Health.OPERATIONAL.value: "OPERATIONAL",
    Health.DEMOTED.value: "OPERATIONAL",
    Health.TESTING.value: "TESTING",
    Health.READY_TO_TEST.value: "TESTING",
    "MAXCONNS": "MAXCONNS",
    "DFP_THROTTLED": "DFP_THROTTLED",
    "DRAINING": "DRAINING",
    "DRAINED": "DRAINING",
}
#: Every state of a farm. In all but the first two a new session has no real server.
FARM_FAILED: Final = "FAILED"
FARM_STATES: Final = ("OPERATIONAL", "TESTING", "MAXCONNS", "DFP_THROTTLED", "DRAINING", FARM_FAILED)


class ServerFarm:
    """``ip slb serverfarm NAME`` while the balancer runs; several virtual servers may use it.

    Each pair of address and port is a real server of its own. One that is removed and comes back has its sessions that
    have not moved meanwhile. ``keeping`` are those whose sessions may stay there. ``clients`` maps the clients that
    send requests to the farm, by address, to when they last did.

    Reassigned sessions have a predictor of their own, so that new sessions are shared exactly by the weights, but for
    those that ask a real server in doubt (:mod:`.doubt`).
    """

    def __init__(self, configuration: ServerFarmConfiguration) -> None:
        self.name = configuration.name
        self.configuration = configuration
        self.reals: list[RealServer] = []
        self.keeping: frozenset[RealServer] = frozenset()
        self.clients: dict[bytes, float] = {}
        self._by_address: dict[bytes, list[RealServer]] = {}
        self._removed: list[RealServer] = []
        self._ready_to_test: set[RealServer] = set()
        self._to_ask: list[RealServer] = []
        self._predictor = PREDICTORS[configuration.predictor]()
        self._reassigning = PREDICTORS[configuration.predictor]()
        self.configure(configuration)

    def configure(self, configuration: ServerFarmConfiguration) -> None:
        """Apply another configuration of the same farm. Real servers in both keep their sessions and health."""
        if configuration.predictor is not self.configuration.predictor:
            self._predictor = PREDICTORS[configuration.predictor]()
            self._reassigning = PREDICTORS[configuration.predictor]()
        self.configuration = configuration
        known = {real.key: real for real in (*self._removed, *self.reals)}
        self.reals = []
        self._to_ask.clear()
        self._by_address = {}
        for key, each in {key_of(each): each for each in configuration.reals}.items():
            real = known.pop(key, None)
            if real is None:
                real = RealServer(self.name, each, self._ready_to_test)
            else:
                real.configure(each)
            self.reals.append(real)
            self._by_address.setdefault(real.packed_address, []).append(real)
        self.keeping = frozenset(real for real in self.reals if not real.moves_sessions)
        self._removed = [real for real in known.values() if real.sessions]
        for real in self._removed:
            real.abandon_test()  # no session tests it from now on
        self._ready_to_test.intersection_update((*self.reals, *self._removed))

    @property
    def state(self) -> str:
        """The state of its best real server that a switch can reach, as its virtual servers show it."""
        states = {_state_for_farm(real) for real in self.reals if real.reachable_from}
        return next((state for best, state in _STATES.items() if best in states), FARM_FAILED)

    def at(self, address: bytes) -> Sequence[RealServer]:
        """The real servers with this address, one for each of its ports; none if the farm has no such address."""
        return self._by_address.get(address, ())

    def has(self, real: RealServer) -> bool:
        """Whether the farm holds this real server."""
        return real in self._by_address.get(real.packed_address, ())

    def keeps(self, real: RealServer) -> bool:
        """Whether the live sessions of this real server stay there."""
        return real in self.keeping and real.health is _OPERATIONAL

    def record_client(self, client: bytes, now: float) -> None:
        """A client has sent a request."""
        if len(self.clients) < MAX_CLIENTS or client in self.clients:
            self.clients[client] = now

    def advance(self, now: float) -> None:
        """Do what is due: retry failed real servers, fail demoted ones that others can replace, forget the past."""
        for real in self.reals:
            real.retry_if_due(now)
            if real.doubt.retrying_mobiles:
                numconns = real.configuration.faildetect_numconns
                real.doubt.forget_old_retries(numconns, now)
                if real not in self._to_ask and real.doubt.is_question_due(numconns, now):
                    self._to_ask.append(real)
            if real.health is Health.DEMOTED and self.serves_without(real):
                real.yield_to_others()
        silent = [client for client, last in self.clients.items() if last < now - CLIENT_TIMEOUT]
        for client in silent:
            del self.clients[client]

    def serves_without(self, real: RealServer) -> bool:
        """Whether another real server can serve at each switch that can reach this one."""
        others = (each.reachable_from for each in self.reals if each is not real and each.can_serve)
        return real.reachable_from <= set().union(*others)

    def choose(self, datapath_id: int, other_than: Optional[RealServer] = None) -> Optional[RealServer]:
        """The real server for a new session whose request this switch received; None when none accepts it.

        ``other_than`` is the real server that a session leaves. A real server that awaits its test, or is in doubt,
        gets the next session; otherwise the predictor chooses.
        """
        while self._to_ask and other_than is None:
            real = self._to_ask.pop(0)
            if real.doubt.since is not None and real.accepts_sessions_from(datapath_id):
                return real
        if self._ready_to_test:  # most often there is none, and a farm may have thousands of real servers
            for real in self.reals:
                if real.health is _READY_TO_TEST and real.awaits_test_from(datapath_id) and real is not other_than:
                    return real
        if not self.reals:
            return None
        predictor = self._predictor if other_than is None else self._reassigning
        return predictor.choose(self.reals, datapath_id, other_than)

    def choose_last_resort(self, datapath_id: int, other_than: Optional[RealServer] = None) -> Optional[RealServer]:
        """A real server that has failed, for a session that no other one can serve; None if one can, even a full one.

        The one that failed last goes first. It is demoted, unless ``other_than``, which the session leaves, can serve.
        """
        candidates = []
        for real in self.reals:
            if real is other_than:
                continue
            if real.can_serve and datapath_id in real.reachable_from:
                return None
            if real.is_last_resort_for(datapath_id):
                candidates.append(real)
        if not candidates:
            return None
        chosen = max(candidates, key=lambda real: (real.health is Health.DEMOTED, real.failed_at))
        if other_than is None or not other_than.can_serve:
            chosen.demote()
        return chosen

    def choose_instead(self, real: RealServer, datapath_id: int, has_given_up: bool) -> Optional[RealServer]:
        """The real server for a session that is to leave its own, ``real``, which it keeps if there is no better one.

        ``has_given_up``: the session's mobile had too many requests without an answer.
        """
        can_stay = self.has(real) and datapath_id in real.reachable_from
        if can_stay and real.awaits_test_from(datapath_id):
            return real
        other = self.choose(datapath_id, other_than=real)
        if other is None and (has_given_up or not can_stay):
            other = self.choose_last_resort(datapath_id, other_than=real)
        if other is None and can_stay:
            real.demote()
            return real
        return other

    @staticmethod
    def named(reals: Sequence[RealServer], current: Optional[RealServer]) -> RealServer:
        """The real server that a request names by the address of these: the session's ``current`` one if it has it."""
        if current is not None and current in reals:
            return current
        return next((real for real in reals if real.in_service), reals[0])


def _state_for_farm(real: RealServer) -> str:
    """The state of a real server, as far as new sessions are concerned: one that is drained gets none."""
    state = real.state
    return "DRAINING" if real.configuration.drain is not None and state in _STATES else state
