"""The Ryu application: OpenFlow events become calls, time passes, commands are answered.

``HASLB_CONFIG=FILE ryu-manager ryu_haslb.app``; see ``docs/running.md`` for the environment that it reads.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Sequence
from ipaddress import IPv4Address
from types import FrameType
from typing import Any, Optional

import eventlet
from ryu import cfg
from ryu.base.app_manager import RyuApp
from ryu.controller import ofp_event
from ryu.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from ryu.ofproto import ofproto_common, ofproto_v1_3

from ryu_haslb.configuration.diagnostics import ConfigurationError
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration, DfpManager
from ryu_haslb.control import commands
from ryu_haslb.control.server import ControlServer
from ryu_haslb.dfp.connections import DfpConnections
from ryu_haslb.openflow import connection, standing_rules, wire
from ryu_haslb.openflow.pipeline import standing_rules as standing_rules_of
from ryu_haslb.openflow.switch import Switch
from ryu_haslb.openflow.transactions import Transactions
from ryu_haslb.show.snapshot import Sources
from ryu_haslb.slb.balancer import Balancer
from ryu_haslb.slb.session import Session

LOG = logging.getLogger(__name__)

CONFIG_VARIABLE = "HASLB_CONFIG"
CONTROL_VARIABLE = "HASLB_CONTROL"
DEFAULT_CONTROL = "/run/haslb.sock"

#: Seconds between rounds of what happens by itself: rules sent, neighbours probed, sessions ended.
ROUND = 0.03
#: Sessions that one round looks at before requests have their turn.
SESSIONS_AT_ONCE = 500
#: Seconds that switches have to confirm that our rules are gone, when the application ends.
FAREWELL = 3.0

connection.install()


class HomeAgentLoadBalancing(RyuApp):  # type: ignore[misc]
    """HA-SLB on every OpenFlow 1.3 switch that connects."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)
    LOGGER_NAME = __name__

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.configuration = _configuration()
        _require_free_ports()
        self.balancer = Balancer(self.configuration)
        self.switches: dict[int, Switch] = {}
        self.dfp = DfpConnections(self.configuration.dfp or DfpManager(), self._weights_changed)
        self.control = self._control_server()

    def start(self) -> None:
        super().start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, lambda *_: eventlet.spawn(self._reload))
        self.dfp.start()
        eventlet.spawn(self._let_time_pass)
        if self.control is not None:
            eventlet.spawn(self.control.serve)

    def close(self) -> None:
        if self.control is not None:
            self.control.close()

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def state_changed(self, event: Any) -> None:
        """A switch is ready, or its connection is gone."""
        datapath = event.datapath
        if event.state == MAIN_DISPATCHER:
            self._connected(datapath)
            return
        switch = self.switches.get(datapath.id)
        if switch is not None and switch.channel is datapath:
            LOG.info("Switch %016x: connection lost, its sessions stay", switch.datapath_id)
            switch.disconnect()

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def port_changed(self, event: Any) -> None:
        """A port was added, removed, or changed its state."""
        message = event.msg
        protocol = message.datapath.ofproto
        down = message.desc.state & protocol.OFPPS_LINK_DOWN or message.desc.config & protocol.OFPPC_PORT_DOWN
        switch = self.switches.get(message.datapath.id)
        if switch is not None:
            switch.port_changed(message.desc.port_no, message.reason != protocol.OFPPR_DELETE and not down)

    @property
    def sources(self) -> Sources:
        """What operators can be shown."""
        return Sources(self.configuration, self.balancer, self.dfp, self.switches)

    def configure(self, configuration: Configuration) -> None:
        """Go by another configuration from now on; sessions stay, but for those whose virtual server is gone."""
        self.configuration = configuration
        ended = self.balancer.configure(configuration)
        self.dfp.configure(configuration.dfp or DfpManager(), time.monotonic())
        self._weights_changed(None)
        for switch in self.switches.values():
            switch.configure(configuration)
            self._install_standing_rules(switch)
        self._remove_rules_of(ended)

    def clear_sessions(self, virtual_server: Optional[str]) -> int:
        """End the sessions of one virtual server, or all; how many they were. KeyError for an unknown name."""
        ended = self.balancer.clear_sessions(virtual_server)
        self._remove_rules_of(ended)
        return len(ended)

    def clear_counters(self) -> None:
        """Set every counter to zero."""
        self.balancer.clear_counters()

    def _remove_rules_of(self, sessions: Sequence[Session]) -> None:
        for switch in self.switches.values():
            for session in sessions:
                switch.rules.remove(session)

    def _connected(self, datapath: Any) -> None:
        if self.configuration.datapaths and datapath.id not in self.configuration.datapaths:
            LOG.warning("Switch %016x is not among the configured datapaths and is left alone", datapath.id)
            return
        switch = self.switches.get(datapath.id)
        if switch is None:
            switch = self.switches[datapath.id] = Switch(datapath.id, self.configuration, self.balancer)
        transactions = switch.connect(datapath, time.monotonic())
        datapath.handler = _handler(switch, transactions)
        LOG.info("Switch %016x: connected from %s", datapath.id, datapath.address[0])
        self._install_standing_rules(switch)

    def _install_standing_rules(self, switch: Switch) -> None:
        datapath, transactions = switch.channel, switch.transactions
        if transactions is None:
            return
        rules = list(standing_rules_of(self.configuration, switch.datapath_id))

        def conclude(success: bool) -> None:
            if success:
                LOG.info("Switch %016x: %d standing rules are in place", switch.datapath_id, len(rules))
            else:
                LOG.error("Switch %016x refuses our standing rules and is not served", switch.datapath_id)

        transactions.submit(lambda xid: standing_rules.replacement(datapath, rules, xid), conclude)
        transactions.submit(lambda xid: standing_rules.table_miss(datapath, xid), lambda _: None)

    def _let_time_pass(self) -> None:
        while True:
            eventlet.sleep(ROUND)
            try:
                self._round(time.monotonic())
            except Exception:  # a fault in one round must not end time for all sessions
                LOG.exception("A round of timers went wrong; the next one follows")

    def _weights_changed(self, reported: Optional[IPv4Address]) -> None:
        self.balancer.take_dfp_weights(self.dfp.weights.weight, reported)

    def _round(self, now: float) -> None:
        self.dfp.tick(now)
        for switch in list(self.switches.values()):
            switch.tick(now)
        while self.balancer.advance(now, SESSIONS_AT_ONCE):
            eventlet.sleep(0)

    def _on_signal(self, number: int, _: Optional[FrameType]) -> None:
        LOG.info("%s: removing our rules and ending", signal.Signals(number).name)
        eventlet.spawn(self._end)

    def _reload(self) -> None:
        """SIGHUP: read the configuration file again; if anything is wrong with it, nothing changes."""
        path = os.environ[CONFIG_VARIABLE]
        for line in commands.execute(self, ["configure", path]).lines:
            LOG.info("%s: %s", path, line)

    def _end(self) -> None:
        """Take our rules off every switch, wait for the switches to confirm, and end the process."""
        confirmations = [_remove_rules(switch) for switch in self.switches.values() if switch.channel is not None]
        with eventlet.Timeout(FAREWELL, False):
            for confirmation in confirmations:
                confirmation.wait()
        raise SystemExit(0)

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


def _handler(switch: Switch, transactions: Transactions) -> connection.MessageHandler:
    """What the connection to a switch asks first about each message."""

    def handle(kind: int, xid: int, message: bytes) -> bool:
        if kind == wire.TYPE_PACKET_IN:
            return switch.packet_in(message, time.monotonic())
        if kind == wire.TYPE_MULTIPART_REPLY:
            return switch.multipart_reply(xid, message, time.monotonic())
        if kind == wire.TYPE_BARRIER_REPLY:
            return transactions.confirmed(xid)
        if kind == wire.TYPE_ERROR:
            return len(message) >= 12 and transactions.refused(xid, struct.unpack_from("!HH", message, 8))
        return False

    return handle


def _remove_rules(switch: Switch) -> Any:
    """Serve a connected switch no more, and have it forget all that bears our mark; the event is its confirmation."""
    confirmation = eventlet.event.Event()
    datapath, transactions = switch.channel, switch.transactions
    assert transactions is not None
    switch.disconnect()
    transactions.submit(lambda xid: standing_rules.removal(datapath, xid), confirmation.send)
    return confirmation


def _configuration() -> Configuration:
    """The configuration that the environment names; a clear word and exit status 1 if there is none that is right."""
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise SystemExit(
            f"ryu_haslb: {CONFIG_VARIABLE} is not set; try {CONFIG_VARIABLE}=FILE ryu-manager ryu_haslb.app"
        )
    try:
        loaded = load(path)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
    for warning in loaded.warnings:
        LOG.warning("%s", warning)
    return loaded.configuration


def _require_free_ports() -> None:
    """End with one clear line when the OpenFlow port is taken.

    Ryu would log a traceback and go on, deaf, or share the port with another Ryu that has it (SO_REUSEPORT).
    """
    ports = [cfg.CONF.ofp_tcp_listen_port] if cfg.CONF.ofp_tcp_listen_port else []
    if not cfg.CONF.ofp_tcp_listen_port and not cfg.CONF.ofp_ssl_listen_port:
        ports = [ofproto_common.OFP_TCP_PORT, ofproto_common.OFP_TCP_PORT_OLD]
    host = cfg.CONF.ofp_listen_host or "0.0.0.0"
    for port in ports:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            raise SystemExit(
                f"ryu_haslb: cannot listen on {host} port {port}: {error.strerror}; end the program that has it, or "
                f"choose another with --ofp-tcp-listen-port"
            ) from error
