"""All switches: which are connected, which of them are served, and over which connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Callable, Optional, TypeVar

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord
from ryu_haslb.openflow.fleet.connection import Connection
from ryu_haslb.openflow.fleet.identity import is_proved, refusal
from ryu_haslb.openflow.fleet.known_switches import KnownSwitches
from ryu_haslb.openflow.fleet.probe_paths import ProbePaths
from ryu_haslb.openflow.fleet.rivals import ECHO_TIMEOUT, Rivals
from ryu_haslb.openflow.flow_tables.pipeline import chassis_address
from ryu_haslb.openflow.installation.installation import Clock
from ryu_haslb.openflow.installation.retirement import Conclude
from ryu_haslb.openflow.neighbours.places import Location
from ryu_haslb.openflow.recovery.unrecovered import UnrecoveredSessions
from ryu_haslb.openflow.roles.fencing import Leadership
from ryu_haslb.openflow.sockets.channel import SwitchChannel
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.slb.balancer import Balancer

LOG = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds within which a switch that has lost its connection connects again: the longest pause of Open vSwitch.
RETURN_TIMEOUT = 8.0
#: Seconds that the switches have at a stop to confirm what was sent to them.
CONFIRMATION_TIMEOUT = 2.0
#: Seconds between two bundles of session rules. Open vSwitch carries out bundles and packet-outs in one thread: a large
#: bundle delays requests by some milliseconds, and below this interval the bundles cost more than they save.
FLUSH_INTERVAL = 0.005


class Fleet:
    """The switches by their datapath ids; ``switches`` has those that were served and are not forgotten.

    In a cluster, ``leadership`` says whether this balancer is to serve them.
    """

    def __init__(
        self,
        configuration: Configuration,
        balancer: Balancer,
        clock: Clock = time.monotonic,
        leadership: Optional[Leadership] = None,
    ) -> None:
        self._known = KnownSwitches()
        self.switches: Mapping[int, Switch] = self._known.by_id
        self._connections: dict[int, Connection] = {}
        self._not_served: dict[int, SwitchChannel] = {}
        self._rivals = Rivals()
        self._is_retired = self._is_stopping = False
        self._configuration = configuration
        self._balancer = balancer
        self._clock = clock
        self._leadership = leadership
        self._preloaded: Mapping[int, Mapping[bytes, Location]] = {}
        self._preloaded_lost: Mapping[int, Mapping[bytes, Location]] = {}
        self._records: Mapping[int, SwitchRecord] = {}
        self._probe_paths = ProbePaths(self.switches, balancer)
        self._unrecovered: list[UnrecoveredSessions] = []

    def on_connected(self, transport: SwitchChannel) -> None:
        """A switch has completed the handshake. An older connection with its datapath id stays while it answers."""
        if self._is_stopping:
            return
        if not self._is_permitted(transport):
            transport.close()
            return
        older = self._transport_of(transport.id)
        if older is None:
            self._admit(transport)
        elif is_proved(self._configuration, transport.id):
            self._replace(older, transport, "its certificate proves that it is the switch")
        elif self._is_from_first_address(transport) and not self._is_from_first_address(older):
            self._replace(older, transport, "the switch was first served from there")
        else:
            refused = self._rivals.challenge(older, transport, self._is_from_first_address(transport), self._clock())
            if refused is not None:
                self._refuse(refused, older)

    def on_echo_reply(self, transport: SwitchChannel, xid: int) -> None:
        """A connection has answered an echo request: it keeps its datapath id, if another one has claimed that."""
        if self._rivals.on_echo_reply(transport, xid):
            for refused in self._rivals.end(transport.id):
                self._refuse(refused, transport)

    def _answers_barriers(self, transport: SwitchChannel) -> bool:
        """Whether a barrier reply has come since the echo request was sent that the switch has not answered."""
        connection = self._connections.get(transport.id)
        return connection is not None and connection.has_answered_since(self._rivals.began_at(transport.id))

    def _refuse(self, transport: SwitchChannel, older: SwitchChannel) -> None:
        LOG.warning(
            "Switch %016x: closing a further connection with its datapath id, from %s (port %d); the one from %s "
            "(port %d) stays. If two switches have this id, give one of them another",
            *(transport.id, *transport.address[:2], *older.address[:2]),
        )
        transport.close()

    def _replace(self, older: SwitchChannel, newer: SwitchChannel, reason: str) -> None:
        LOG.warning(
            "Switch %016x: serving its connection from %s (port %d) in place of the one from %s (port %d): %s",
            *(newer.id, *newer.address[:2], *older.address[:2], reason),
        )
        self._leave(older)
        older.close()
        self._admit_in_place(newer)

    def _admit_in_place(self, newer: SwitchChannel) -> None:
        """Serve a connection whose datapath id is free, and close those that waited for it as well."""
        waiting = self._rivals.end(newer.id)
        self._admit(newer)
        for each in waiting:
            if each is not newer:
                self._refuse(each, newer)

    def _admit(self, transport: SwitchChannel) -> None:
        """Serve a switch, unless this balancer is retired."""
        if self._is_retired:
            LOG.warning(
                "Switch %016x connected to a retired balancer and is not served; 'haslb configure' or SIGHUP serves it",
                transport.id,
            )
            self._not_served[transport.id] = transport
        else:
            self._serve(transport)

    def on_disconnected(self, transport: SwitchChannel) -> None:
        """A connection is lost. :mod:`ryu_haslb.show.state_log` logs it."""
        self._rivals.remove(transport)
        if self._transport_of(transport.id) is not transport:
            return
        if transport.id in self.switches:
            self.switches[transport.id].lost_because = f"{transport.close_reason}; its sessions are kept"
        self._leave(transport)
        waiting = self._rivals.best(transport.id)
        if waiting is not None and not self._is_stopping:
            self._admit_in_place(waiting)

    def has_connection(self, transport: SwitchChannel) -> bool:
        """Whether the switch is served over this connection, or will be when no other balancer serves it."""
        connection = self._connections.get(transport.id)
        return connection is not None and connection.transport is transport

    def on_port_changed(self, transport: SwitchChannel, port: int, usable: bool) -> None:
        """A port of a switch came up, went down or was removed."""
        connection = self._connections.get(transport.id)
        if connection is not None and connection.transport is transport:
            connection.on_port_changed(port, usable)

    def configure(self, configuration: Configuration) -> None:
        """Apply another configuration; the balancer must have applied it before. It ends :meth:`retire`."""
        self._configuration = configuration
        self._is_retired = False
        what = "a change of the configuration"
        _for_each(what, self.switches, lambda switch: switch.configure(configuration))
        self._preload_all()
        for waiting in self._rivals.all_waiting():
            if not self._is_permitted(waiting):
                waiting.close()
        _for_each(what, self._connections, self._configure)
        _for_each(what, self._not_served, self._reconsider)

    def _configure(self, connection: Connection) -> None:
        """Apply the configuration in force to a connection, which may no longer be permitted."""
        if not self._is_configured(connection.transport.id):
            self._retire(connection, "'ip slb datapath' no longer names it", lambda *_: None)
        elif self._is_permitted(connection.transport):
            connection.configure(self._configuration)
        else:
            connection.transport.close()

    def _reconsider(self, transport: SwitchChannel) -> None:
        """Serve a switch that is not served, if the configuration in force names it."""
        if not self._is_configured(transport.id):
            return
        if self._is_permitted(transport):
            self._serve(self._not_served.pop(transport.id))
        else:
            transport.close()

    def take_records(self, records: Mapping[int, SwitchRecord]) -> None:
        """Use these records of ``switch-test``, by datapath id."""
        self._records = records
        for datapath_id, switch in self.switches.items():
            switch.record = records.get(datapath_id)
        _for_each("a switch-test on record", self._connections, Connection.on_record_changed)

    def on_leadership_changed(self) -> None:
        """The cluster has decided anew who leads, or this member resigns."""
        if self._leadership is not None and self._leadership.is_resigning:
            self._leadership.awaited.update(self._returning())
        _for_each("a change of the leadership", self._connections, Connection.on_leadership_changed)
        self._look_for_unrecovered()

    def _returning(self) -> Iterator[Switch]:
        """The switches that are about to be served. Rules that were on their way to them are sent again then."""
        now = self._clock()
        for datapath_id, switch in self.switches.items():
            connection = self._connections.get(datapath_id)
            if connection is not None:
                is_returning = connection.is_beginning and switch.answers(now)
            else:
                is_returning = (
                    datapath_id not in self._not_served and self._known.gone_for(datapath_id, now) < RETURN_TIMEOUT
                )
            if is_returning:
                yield switch

    @property
    def is_retired(self) -> bool:
        """Whether no switch is served until the next :meth:`configure`."""
        return self._is_retired

    @property
    def configured(self) -> frozenset[int]:
        """The datapath ids of the switches that the configuration names."""
        return frozenset(self._configuration.datapaths)

    @property
    def established(self) -> frozenset[int]:
        """The datapath ids of :attr:`configured`, and of switches at which a leader of the cluster has located real
        servers."""
        return self.configured | self._preloaded.keys()

    @property
    def serves_any(self) -> bool:
        """Whether any switch is served. In a cluster, as long as another member is not MASTER of all of them."""
        return any(switch.channel is not None for switch in self.switches.values())

    def preload_neighbours(self, places: Mapping[int, Mapping[bytes, Location]]) -> None:
        """Another member of the cluster leads, and has located these next hops at the switches.

        When this member leads, only a switch that it has not met yet gets them.
        """
        self._preloaded = places
        self._preload_all()

    def preload_lost_neighbours(self, places: Mapping[int, Mapping[bytes, Location]]) -> None:
        """Another member of the cluster leads, and has lost these next hops: where they were."""
        self._preloaded_lost = places
        self._preload_all()

    def _preload_all(self) -> None:
        if self._leadership is not None and not self._leadership.is_leading:
            for switch in self.switches.values():
                if switch.channel is None:
                    self._preload(switch)

    def _preload(self, switch: Switch) -> None:
        places, lost = self._preloaded.get(switch.datapath_id, {}), self._preloaded_lost.get(switch.datapath_id, {})
        switch.adjacencies.preload(places, lost)

    def flush(self, now: float) -> None:
        """Send every switch the session rules that have been collected for it."""
        self._remove_stale_rules()
        _for_each("sending session rules", self._connections, lambda connection: connection.flush(now))

    @property
    def is_quiet(self) -> bool:
        """Whether :meth:`flush` has nothing to do until a switch sends a message, or a tick sends one."""
        return all(connection.is_quiet for connection in self._connections.values())

    def tick(self, now: float) -> None:
        """Do for every switch what is due at this time."""
        self._remove_stale_rules()
        _for_each("a timer tick", self._connections, lambda connection: connection.tick(now))
        self._look_for_unrecovered()
        self._probe_paths.tick(now)
        self._known.tick(now, self._configuration.datapaths)
        for older in self._rivals.tick(now):
            waiting = self._rivals.best(older.id)
            if waiting is not None and self._answers_barriers(older):
                for refused in self._rivals.end(older.id):
                    self._refuse(refused, older)
            elif waiting is not None:
                self._replace(older, waiting, f"that one has not answered an echo request for {ECHO_TIMEOUT:g} s")

    def _look_for_unrecovered(self) -> None:
        """Find the switches with sessions that are known and not recovered yet: their mobiles may come to others."""
        self._unrecovered.clear()
        if self._leadership is not None and not self._leadership.is_leading:
            return
        for switch in self.switches.values():
            if not switch.unrecovered.is_known:
                continue
            self._unrecovered.append(switch.unrecovered)
            if switch.adjacencies.is_stale:
                switch.adjacencies.update()
            if switch.unrecovered.remembered:
                self._balancer.sessions.keys.adopt(switch.unrecovered.remembered.keys, switch.datapath_id)

    def stop(self, conclude: Callable[[], None]) -> int:
        """Accept no further request, and leave rules and sessions where they are.

        The caller goes on to call :meth:`flush`. Returns the number of switches; ``conclude`` is called once for each
        of them, when it has confirmed all that was sent to it.
        """
        self._is_stopping = True
        count = len(self._connections)
        _for_each("a stop", self._connections, lambda connection: connection.stop(conclude))
        return count

    def close(self) -> None:
        """End every connection."""
        served = [each.transport for each in self._connections.values()]
        for transport in [*self._rivals.all_waiting(), *self._not_served.values(), *served]:
            self._leave(transport)
            transport.close()

    def retire(self) -> dict[int, Optional[bool]]:
        """Serve no switch until :meth:`configure`, and remove our rules from each; other traffic stays switched.

        Returns what is known of each switch, kept up to date: whether it has removed the rules, None before it replies.
        Sessions stay here until their idle time.
        """
        self._is_retired = True
        removed: dict[int, Optional[bool]] = {
            datapath_id: None for datapath_id, connection in self._connections.items() if not connection.is_waiting
        }
        why = "retired; 'haslb configure' or SIGHUP serves it"
        _for_each("retirement", self._connections, lambda each: self._retire(each, why, removed.__setitem__))
        return removed

    def _retire(self, connection: Connection, why: str, conclude: Conclude) -> None:
        transport = connection.transport
        self.switches[transport.id].lost_because = why
        self._not_served[transport.id] = self._connections.pop(transport.id).transport
        if connection.is_waiting:
            LOG.warning("Switch %016x is served by another balancer; its rules stay", transport.id)
            connection.leave()
        else:
            connection.retire(conclude)

    def _remove_stale_rules(self) -> None:
        """Have each switch remove the rules of sessions that have ended or moved."""
        for datapath_id, session in self._balancer.ending.take_stale_rules():
            if datapath_id in self.switches:
                self.switches[datapath_id].rules.remove(session)

    def _is_configured(self, datapath_id: int) -> bool:
        return not self._configuration.datapaths or datapath_id in self._configuration.datapaths

    def _is_permitted(self, transport: SwitchChannel) -> bool:
        """Whether the configuration permits a connection; the log says why it does not."""
        reason = refusal(self._configuration, transport)
        if reason is not None:
            LOG.warning(
                "Switch %016x from %s (port %d): closing the connection: %s",
                *(transport.id, *transport.address[:2], reason),
            )
            transport.close_reason = f"connection closed ({reason})"
        return reason is None

    def _serve(self, transport: SwitchChannel) -> None:
        twin = self._known.twin_of(transport.id)
        if twin in self._connections:
            LOG.error(
                "Switch %016x has the chassis address of switch %016x (%s) and is not served; give one of the two "
                "another datapath id",
                *(transport.id, twin, chassis_address(transport.id).hex(":")),
            )
            self._not_served[transport.id] = transport
            return
        switch = self._known.on_served(transport.id, lambda: self._new_switch(transport))
        switch.record = self._records.get(transport.id)
        self._connections[transport.id] = Connection(
            transport, switch, self._balancer, self._configuration, self._clock
        )

    def _new_switch(self, transport: SwitchChannel) -> Switch:
        switch = Switch(transport.id, self._configuration, self._balancer)
        switch.first_address = transport.address[0]
        switch.leadership, switch.fleet = self._leadership, self.switches
        switch.path.all_unrecovered, switch.on_taken_over = self._unrecovered, self._look_for_unrecovered
        self._preload(switch)
        return switch

    def _is_from_first_address(self, transport: SwitchChannel) -> bool:
        """Whether a connection comes from the host that its switch was first served from."""
        switch = self.switches.get(transport.id)
        return switch is not None and switch.first_address == transport.address[0]

    def _transport_of(self, datapath_id: int) -> Optional[SwitchChannel]:
        connection = self._connections.get(datapath_id)
        return self._not_served.get(datapath_id) if connection is None else connection.transport

    def _leave(self, transport: SwitchChannel) -> None:
        self._not_served.pop(transport.id, None)
        connection = self._connections.pop(transport.id, None)
        if connection is not None:
            connection.leave()
        self._known.on_gone(transport.id, self._clock())


def _for_each(what: str, of_switches: Mapping[int, T], do: Callable[[T], None]) -> None:
    """Do something with what there is of each switch. A fault at one switch must not keep the others from it."""
    for datapath_id, each in list(of_switches.items()):
        try:
            do(each)
        except Exception:
            LOG.exception("Switch %016x: %s failed; continuing", datapath_id, what)
