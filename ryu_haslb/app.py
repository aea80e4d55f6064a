"""The application that the OpenFlow engine runs: it connects the parts and gives them events, time and signals.

``haslb run FILE``, or ``HASLB_CONFIG=FILE ryu-manager ryu_haslb.app``; ``docs/running.md`` lists the variables.

Everything runs in green threads of one process: one for each switch, one for the timers (every
:data:`TICK_INTERVAL`), one that sends session rules (every :data:`.FLUSH_INTERVAL` while there are any), one for each
client of the control socket and of HTTP. Decisions take the time as an argument; only this file and the edges read the
clock.
"""

from __future__ import annotations

import logging
import os
import signal
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Callable, Optional

import eventlet
import eventlet.queue

from ryu_haslb import log_buffer, log_limit, stop_deadline
from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.cluster.hand_over import HAND_OVER_TIMEOUT, HandOver
from ryu_haslb.cluster.membership import Membership
from ryu_haslb.cluster.sharing import Sharing
from ryu_haslb.cluster.switchover_reason import SwitchoverReason
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration, DfpManager
from ryu_haslb.control import reloading
from ryu_haslb.control.cluster_configuration import ClusterConfiguration
from ryu_haslb.control.cluster_rollback import ClusterRollback
from ryu_haslb.control.coalescing import Coalesced
from ryu_haslb.control.rollback import Rollback
from ryu_haslb.dfp.agent_connection import SetWeight
from ryu_haslb.dfp.manager_sockets import DfpConnections
from ryu_haslb.dfp.steering import ServerStates, steer
from ryu_haslb.engine import REQUIRED_APPLICATIONS, RyuApp, describe, leave_listening, ofproto_v1_3
from ryu_haslb.garbage_collection import QuietCollector
from ryu_haslb.green_errors import log_uncaught_errors
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecordError
from ryu_haslb.openflow.fleet.fleet import CONFIRMATION_TIMEOUT, FLUSH_INTERVAL, Fleet
from ryu_haslb.openflow.flow_tables.key_rules import KEY_LENGTH
from ryu_haslb.openflow.sockets import transport
from ryu_haslb.openflow.sockets.server import AcceptedConnection, OpenFlowServer
from ryu_haslb.openflow.sockets.unserved_connections import Unserved
from ryu_haslb.show import state_log
from ryu_haslb.show.overload_log import OverloadLog
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.state_history import StateHistory
from ryu_haslb.show.state_log import StateLog
from ryu_haslb.slb.balancer import MAX_SESSIONS_PER_STEP, Balancer
from ryu_haslb.slb.session_filter import SessionFilter
from ryu_haslb.startup import (
    available_memory,
    join_cluster,
    load_configuration,
    load_switch_records,
    new_supervisor,
    open_control_server,
    open_http_server,
    open_startup_file,
    open_switch_ports,
    raise_descriptor_limit,
    switch_records,
    tls_context,
    warn_of_open_port,
    write_log_in_format,
)
from ryu_haslb.web.settings import ADDRESS_VARIABLE

LOG = logging.getLogger(__name__)

#: Seconds between timer ticks: neighbours are probed, sessions end, signals are handled.
TICK_INTERVAL = 0.02
#: Seconds between two looks for session rules while none waits, and no message of a switch arrives. Looking every 5 ms
#: was a third of the processor time of a balancer without requests.
QUIET_INTERVAL = 0.1
#: Seconds after a signal to stop at which the process ends even if its event loop is stuck.
SHUTDOWN_TIMEOUT = 5.0
_TIMERS = "timers"

_REQUIRED_APP = REQUIRED_APPLICATIONS  # the engine's manager reads this name
leave_listening()


class HomeAgentLoadBalancing(RyuApp):  # type: ignore[misc]
    """HA-SLB on every OpenFlow 1.3 switch that connects."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)
    LOGGER_NAME = __name__

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        write_log_in_format()
        log_buffer.install()
        self.log_limit = log_limit.install()
        log_uncaught_errors()
        self.supervisor = new_supervisor()
        self.startup_file = open_startup_file()
        self.history = StateHistory()
        self.configuration = load_configuration(self.startup_file.path)
        unserved: Unserved[AcceptedConnection] = Unserved.within(raise_descriptor_limit())
        context = tls_context()
        self.balancer = Balancer(self.configuration, available_memory(), os.urandom(KEY_LENGTH))
        self.member = join_cluster()
        self.fleet = Fleet(
            self.configuration, self.balancer, leadership=None if self.member is None else self.member.leadership
        )
        self.fleet.take_records(load_switch_records())
        if self.member is not None:
            self.member.on_change = self._on_leadership_changed
        transport.install(self.fleet)
        self.collector = QuietCollector(time.monotonic())
        self.dfp = DfpConnections(self.configuration.dfp or DfpManager(), self._on_weights_changed)
        self.server_states = ServerStates()
        self.sharing = None if self.member is None else Sharing(self.member, self.fleet, self.balancer, self.dfp)
        self.rollback, self.cluster_configuration = self._make_rollback()
        self.state_log = StateLog(self.sources, time.monotonic(), self.history)
        self.overload_log = OverloadLog(self.balancer.statistics, time.monotonic())
        self._signals: list[int] = []
        self._is_stopping = False
        self._reloading = Coalesced("SIGHUP", self._reload)
        self._rolling_back = Coalesced("rollback", lambda: reloading.roll_back(self))
        self._install_signal_handlers()  # before the sockets: a process that sees them may send a signal
        self._open_sockets(context, unserved)
        if self.member is not None:
            Membership(self.member, self.fleet, self.balancer, os.environ.get(ADDRESS_VARIABLE, ""))

    def _make_rollback(self) -> tuple[Rollback, Optional[ClusterConfiguration]]:
        """What undoes a change that is not confirmed: for this balancer, or for all members of its cluster."""
        if self.member is None:
            return Rollback(), None
        rollback, text = ClusterRollback(self.member), write_configuration(self.configuration)
        return rollback, ClusterConfiguration(self.member, self, text, rollback.end_of_rollback)

    def _open_sockets(self, context: Optional[ssl.SSLContext], unserved: Unserved[AcceptedConnection]) -> None:
        """Listen for switches, for HTTP, and for ``haslb``."""
        ports = open_switch_ports()
        self.openflow = OpenFlowServer(ports, context, self.fleet, self.fleet.has_connection, unserved)
        self._listening = " and ".join(
            f"{host} port {port}" for host, port, *_ in (each.getsockname() for each in ports)
        )
        warn_of_open_port(self.configuration)
        self.http = open_http_server(self)
        self.control = open_control_server(self)

    def start(self) -> None:
        """Start the engine's event loop and all green threads of this application."""
        super().start()
        self.dfp.start()
        self.supervisor.add_periodic("signals", TICK_INTERVAL, self._handle_signals)
        self.supervisor.add_periodic(_TIMERS, TICK_INTERVAL, self._tick)
        self.supervisor.add_periodic("session rules", FLUSH_INTERVAL, self._send_session_rules)
        for name, loop in self.openflow.loops():
            self.supervisor.add(name, loop)
        if self.member is not None:
            self.supervisor.add("cluster", self.member.run)
        if self.control is not None:
            self.supervisor.add("control socket", self.control.serve)
        if self.http is not None:
            self.supervisor.add("HTTP server", self.http.serve)
        self.supervisor.start()
        LOG.info(
            "%s started: configuration %s, switches connect to %s",
            *(describe(), self.startup_file.path, self._listening),
        )

    def close(self) -> None:
        """Close the control socket and HTTP; the engine calls this when it ends.

        Raises: SystemExit with status 1 if no one has asked it to end, and it has not failed.
        """
        if self.control is not None:
            self.control.close()
        if self.http is not None:
            self.http.close()
        if not self._is_stopping and sys.exc_info()[0] is None:
            LOG.critical("the OpenFlow engine has ended, which must not happen; exiting with status 1")
            raise SystemExit(1)

    @property
    def sources(self) -> Sources:
        """What ``show``, HTTP and metrics read from."""
        return Sources(self.configuration, self.balancer, self.dfp, self.fleet.switches, self.member, self.history)

    def commit_configuration(self, text: str, source: str, basis: Basis) -> Callable[[], Iterable[str]]:
        """Make a checked configuration that of all members of the cluster, if there is one.

        The function that is returned is to be called when it is in force here. It returns notes about members that have
        not applied it; to get them takes up to some seconds.

        Raises: ConfigurationError if that is not possible; then nothing changes. UndecidedError.
        """
        if self.cluster_configuration is None:
            return tuple
        return self.cluster_configuration.commit(text, source, basis)

    def configure(self, configuration: Configuration) -> None:
        """Replace the configuration in force. Sessions are kept, except those of removed virtual servers."""
        self.balancer.configure(configuration)
        self.configuration = configuration  # not before: it is what the next change is compared with
        self.dfp.configure(configuration.dfp or DfpManager(), time.monotonic())
        self._on_weights_changed(None)
        self.fleet.configure(configuration)
        if self.sharing is not None:
            self.sharing.on_configured()

    def clear_sessions(self, wanted: SessionFilter) -> Iterator[int]:
        """End the sessions that a filter selects, slice by slice: the numbers of sessions that ended.

        Raises: UnknownObjectError.
        """
        return self.balancer.clear_in_slices(wanted, MAX_SESSIONS_PER_STEP)

    def clear_counters(self) -> None:
        """Set every counter to zero."""
        self.balancer.clear_counters()

    def retire(self) -> Mapping[int, Optional[bool]]:
        """Remove our rules from every switch and serve none until the next configuration; see :meth:`Fleet.retire`."""
        LOG.warning(
            "retire: removing our rules from %d switches; no switch is served until 'haslb configure' or SIGHUP",
            sum(switch.channel is not None for switch in self.fleet.switches.values()),
        )
        return self.fleet.retire()

    def end_retirement(self) -> None:
        """Serve the switches again, with the configuration in force, if :meth:`retire` has ended that."""
        if self.fleet.is_retired:
            LOG.warning("retire: serving the switches again")
            self.configure(self.configuration)

    def _tick(self, now: float) -> None:
        reals = self.balancer.reals
        if self.rollback.is_due(now):  # first: the change that is to go back may be what makes the rest fail
            self._rolling_back.request()
        self.fleet.tick(now)  # before the rest, so that no fault there stops it
        while self.balancer.advance(now, MAX_SESSIONS_PER_STEP):
            self.supervisor.on_round(_TIMERS)
            eventlet.sleep(0)
        self.dfp.tick(now)
        if self.server_states.follow(list(reals())):
            self.dfp.set_reachable(self.server_states.reachable, now)
            self.dfp.send_server_states(self.server_states.weights, now)
        if self.http is not None:
            self.http.tick(reals(), now)
        self.collector.collect_if_quiet(self.balancer.statistics.requests, len(self.balancer.sessions), now)
        self.log_limit.tick(now)
        for line in self.state_log.changes(self.sources, now):
            state_log.write(line)
        counts = self.balancer.client_counts.requests
        for line in self.overload_log.lines(self.balancer.statistics, counts, now, time.time()):
            state_log.write(line)

    def _send_session_rules(self, now: float) -> None:
        """Send the session rules that wait. While none does, wait for a message of a switch before the next round."""
        transport.arrival.clear()
        self.fleet.flush(now)
        if self.fleet.is_quiet:
            transport.arrival.wait(QUIET_INTERVAL)

    def _on_weights_changed(self, reports: Optional[Sequence[SetWeight]]) -> None:
        is_standby = self.member is not None and not self.member.is_leading
        # The leader judges whether a report ends a failure: a member that stands by follows its judgement.
        steer(self.balancer.reals(), self.dfp.weights, None if is_standby else reports)

    def _on_leadership_changed(self) -> None:
        if self.sharing is not None:
            self.sharing.on_leadership_changed(time.monotonic())
        self.fleet.on_leadership_changed()

    def _install_signal_handlers(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: Optional[FrameType]) -> None:
        """Record the signal for the next tick: it may interrupt eventlet's hub, which loses what is spawned then."""
        if number != signal.SIGHUP and not self._is_stopping:
            self._is_stopping = True
            stop_deadline.exit_after(SHUTDOWN_TIMEOUT, self.close)
        self._signals.append(number)

    def _reload(self) -> None:
        """SIGHUP: read the switch-test records and the configuration file again."""
        try:
            self.fleet.take_records(switch_records())
        except SwitchRecordError as error:
            LOG.error("SIGHUP: %s; the switch-test records that were read before stay", error)
        reloading.reload(self, self.cluster_configuration)

    def _handle_signals(self, _: float) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                self._reloading.request()
            else:
                eventlet.spawn(self._stop, signal.Signals(number).name)

    def _stop(self, name: str) -> None:
        """End the process in order: rules and sessions stay on the switches, and the next start recovers them.

        The session rules that wait are sent first, and confirmed; requests that come meanwhile are discarded.
        """
        self.supervisor.on_stop()
        self.rollback.on_stop(self.startup_file.path)
        self._hand_over(name)
        LOG.info("%s: exiting; rules and sessions stay on the switches, and the next start recovers them", name)
        confirmations: eventlet.queue.LightQueue = eventlet.queue.LightQueue()
        switches = self.fleet.stop(lambda: confirmations.put(None))
        transport.arrival.set()  # the loop that sends session rules does it now
        confirmed = 0
        with eventlet.Timeout(CONFIRMATION_TIMEOUT, False):
            while confirmed < switches:
                confirmations.get()
                confirmed += 1
        if confirmed < switches:
            LOG.warning(
                "%d of %d switches did not confirm within %g s what was sent to them; the newest sessions may have no "
                "rule there, and their mobiles may get another home agent",
                *(switches - confirmed, switches, CONFIRMATION_TIMEOUT),
            )
        self.fleet.close()
        raise SystemExit(0)

    def _hand_over(self, name: str) -> None:
        """Let another member of the cluster lead, and serve until it does."""
        if self.member is None or not self.member.resign(SwitchoverReason[name]):
            return
        hand_over = HandOver(self.member, self.fleet)
        while not hand_over.is_over(time.monotonic()):
            eventlet.sleep(TICK_INTERVAL)
        if self.member.is_leading:
            LOG.warning(
                "cluster: no other member has taken over within %g s; exiting, and no switch is served until one does",
                HAND_OVER_TIMEOUT,
            )
