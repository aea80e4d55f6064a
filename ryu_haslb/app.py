"""The Ryu application: OpenFlow events become calls, time passes, commands are answered.

``HASLB_CONFIG=FILE ryu-manager ryu_haslb.app``; see ``docs/running.md`` for the environment that it reads.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Callable, Optional

import eventlet

from ryu_haslb.collector import QuietCollector
from ryu_haslb.configuration.model import Configuration, DfpManager
from ryu_haslb.control import commands, operations
from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL
from ryu_haslb.control.server import ControlServer
from ryu_haslb.dfp.connections import DfpConnections
from ryu_haslb.dfp.manager import SetWeight
from ryu_haslb.dfp.steering import found_by_switches, steer, weights_by_own_decision
from ryu_haslb.engine import DEAD_DISPATCHER, MAIN_DISPATCHER, RyuApp, ofp_event, ofproto_v1_3, set_ev_cls
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.openflow import transport
from ryu_haslb.openflow.fleet import Fleet
from ryu_haslb.show.snapshot import Sources
from ryu_haslb.show.state_watch import StateWatch
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.startup import CONFIG_VARIABLE, configuration_of_environment, require_free_ports
from ryu_haslb.web.server import HttpServer, HttpSettingError, http_server

LOG = logging.getLogger(__name__)

#: Seconds between rounds of what happens by itself: neighbours probed, sessions ended.
ROUND = 0.02
#: Seconds between two bundles of rules. Open vSwitch carries out a bundle and packet-outs in one thread: at many rules
#: at once requests wait for some milliseconds, and below this the bundles cost more than they spare.
BUNDLE = 0.005
#: Sessions that one round looks at before requests have their turn.
SESSIONS_AT_ONCE = 500
#: Seconds that switches have to confirm that our rules are gone, when the application ends.
FAREWELL = 3.0

transport.install()


class HomeAgentLoadBalancing(RyuApp):  # type: ignore[misc]
    """HA-SLB on every OpenFlow 1.3 switch that connects."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)
    LOGGER_NAME = __name__

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.configuration = configuration_of_environment()
        require_free_ports()
        self.balancer = Balancer(self.configuration)
        self.fleet = Fleet(self.configuration, self.balancer)
        self.collector = QuietCollector(time.monotonic())
        self.dfp = DfpConnections(self.configuration.dfp or DfpManager(), self._weights_changed)
        self.state_watch = StateWatch(self.sources, time.monotonic())
        self._signals: list[int] = []
        self._take_signals()  # first: whoever sees our sockets may send one
        self.http = self._http_server()
        self.control = self._control_server()

    def start(self) -> None:
        super().start()
        self.dfp.start()
        eventlet.spawn(self._repeat, ROUND, self._heed_signals)
        eventlet.spawn(self._repeat, ROUND, self._round)
        eventlet.spawn(self._repeat, BUNDLE, self.fleet.flush)
        if self.control is not None:
            eventlet.spawn(self.control.serve)
        if self.http is not None:
            eventlet.spawn(self.http.serve)

    def close(self) -> None:
        if self.control is not None:
            self.control.close()
        if self.http is not None:
            self.http.close()

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def state_changed(self, event: Any) -> None:
        """A switch is ready, or its connection is gone."""
        if event.state == MAIN_DISPATCHER:
            self.fleet.on_connected(event.datapath)
        else:
            self.fleet.on_disconnected(event.datapath)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def port_changed(self, event: Any) -> None:
        """A port was added, removed, or changed its state."""
        message = event.msg
        protocol = message.datapath.ofproto
        down = message.desc.state & protocol.OFPPS_LINK_DOWN or message.desc.config & protocol.OFPPC_PORT_DOWN
        usable = message.reason != protocol.OFPPR_DELETE and not down
        self.fleet.on_port_changed(message.datapath.id, message.desc.port_no, usable)

    @property
    def sources(self) -> Sources:
        """What operators can be shown."""
        return Sources(self.configuration, self.balancer, self.dfp, self.fleet.switches)

    def configure(self, configuration: Configuration) -> None:
        """Go by another configuration from now on; sessions stay, but for those whose virtual server is gone."""
        self.configuration = configuration
        self.balancer.configure(configuration)
        self.dfp.configure(configuration.dfp or DfpManager(), time.monotonic())
        self._weights_changed(None)
        self.fleet.configure(configuration)

    def clear_sessions(self, virtual_server: Optional[str]) -> int:
        """End the sessions of one virtual server, or all; how many they were. KeyError for an unknown name."""
        return len(self.balancer.clear_sessions(virtual_server))

    def clear_counters(self) -> None:
        """Set every counter to zero."""
        self.balancer.clear_counters()

    @staticmethod
    def _repeat(interval: float, step: Callable[[float], None]) -> None:
        while True:
            eventlet.sleep(interval)
            try:
                step(time.monotonic())
            except Exception:  # a fault in one round must not end time for all sessions
                LOG.exception("A round of timers went wrong; the next one follows")

    def _weights_changed(self, reports: Optional[Sequence[SetWeight]]) -> None:
        steer(self.balancer.reals(), self.dfp.weights, reports)

    def _round(self, now: float) -> None:
        self.dfp.tick(now)
        self.dfp.tell_found(found_by_switches(self.balancer.reals()), now)
        self.dfp.tell_states(weights_by_own_decision(self.balancer.reals()), now)
        self.fleet.tick(now)
        if self.http is not None:
            self.http.tick(self.balancer.reals(), now)
        while self.balancer.advance(now, SESSIONS_AT_ONCE):
            eventlet.sleep(0)
        self.collector.look(self.balancer.statistics.requests, len(self.balancer.sessions), now)
        for line in self.state_watch.changes(self.sources, now):
            LOG.info("%s", line)

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: Optional[FrameType]) -> None:
        """Only note it: it may come in the midst of anything, and eventlet would lose what is begun in its midst."""
        self._signals.append(number)

    def _heed_signals(self, _: float) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                eventlet.spawn(self._reload)
            else:
                LOG.info("%s: removing our rules and ending", signal.Signals(number).name)
                eventlet.spawn(self._end)

    def _reload(self) -> None:
        """SIGHUP: apply the configuration file again; one that has an error changes nothing."""
        path = os.environ[CONFIG_VARIABLE]
        try:
            applied = operations.apply_file(self, path)
        except ConfigurationError as error:
            for each in error.errors:
                LOG.error("%s", each)
            LOG.error("SIGHUP: %s was not applied; nothing was changed", path)
            return
        for warning in applied.warnings:
            LOG.warning("%s", warning)
        for line in (*applied.changes, *applied.notes):
            LOG.info("%s: %s", path, line)
        LOG.info("SIGHUP: %s applied, %d changes", path, len(applied.changes))

    def _end(self) -> None:
        """Take our rules off every switch, wait for the switches to confirm, and end the process."""
        confirmations: eventlet.queue.LightQueue = eventlet.queue.LightQueue()
        expected = self.fleet.retire(confirmations.put)
        with eventlet.Timeout(FAREWELL, False):
            for _ in range(expected):
                confirmations.get()
        raise SystemExit(0)

    def _http_server(self) -> Optional[HttpServer]:
        try:
            return http_server(self, os.environ)
        except HttpSettingError as error:
            raise SystemExit(f"ryu_haslb: {error}") from error

    def _control_server(self) -> Optional[ControlServer]:
        """The control socket. One that was asked for must be there; without the default one the balancer runs, too."""
        path = os.environ.get(CONTROL_VARIABLE, DEFAULT_CONTROL)
        try:
            return ControlServer(path, lambda words: commands.execute(self, words))
        except OSError as error:
            trouble = f"cannot make the control socket {path}: {error}; set {CONTROL_VARIABLE} to another path"
            if CONTROL_VARIABLE in os.environ:
                raise SystemExit(f"ryu_haslb: {trouble}") from error
            LOG.warning("%s; this balancer takes no commands", trouble)
            return None
