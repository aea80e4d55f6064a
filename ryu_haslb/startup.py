"""What the balancer checks and opens before it serves switches: configuration, ports, control socket, HTTP.

Each function ends the process with one line on standard error that says what is wrong and what to do.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Optional

from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import commands
from ryu_haslb.control.operations import Application
from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL
from ryu_haslb.control.server import ControlServer
from ryu_haslb.engine import cfg, ofproto_common
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.web.server import HttpServer, HttpSettingError, http_server

LOG = logging.getLogger(__name__)

CONFIG_VARIABLE = "HASLB_CONFIG"


def load_configuration() -> Configuration:
    """The configuration of the file that ``HASLB_CONFIG`` names. Raises: SystemExit."""
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


def require_free_ports() -> None:
    """Check that the engine can listen for switches. Raises: SystemExit.

    Without this check the engine would log a traceback and run without a listening socket, or share the port with
    another engine that already has it (SO_REUSEPORT).
    """
    tls = cfg.CONF.ctl_privkey is not None and cfg.CONF.ctl_cert is not None
    ports = [cfg.CONF.ofp_ssl_listen_port if tls else cfg.CONF.ofp_tcp_listen_port]
    if not cfg.CONF.ofp_tcp_listen_port and not cfg.CONF.ofp_ssl_listen_port:
        ports = [ofproto_common.OFP_TCP_PORT, ofproto_common.OFP_TCP_PORT_OLD]
    host = cfg.CONF.ofp_listen_host or "0.0.0.0"
    for port in filter(None, ports):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            raise SystemExit(
                f"ryu_haslb: cannot listen for switches on {host} port {port}: {error.strerror}; end the program that "
                f"uses the port, or choose another with --ofp-{'ssl' if tls else 'tcp'}-listen-port"
            ) from error


def open_control_server(application: Application) -> Optional[ControlServer]:
    """The control socket at ``HASLB_CONTROL``, else at the default path.

    Without ``HASLB_CONTROL`` the balancer also runs without a control socket (None), after a warning.

    Raises: SystemExit if the socket that ``HASLB_CONTROL`` names cannot be made.
    """
    path = os.environ.get(CONTROL_VARIABLE, DEFAULT_CONTROL)
    try:
        return ControlServer(path, lambda words: commands.execute(application, words))
    except OSError as error:
        problem = f"cannot make the control socket {path}: {error}; set {CONTROL_VARIABLE} to another path"
        if CONTROL_VARIABLE in os.environ:
            raise SystemExit(f"ryu_haslb: {problem}") from error
        LOG.warning("%s; running without a control socket", problem)
        return None


def open_http_server(application: Application) -> Optional[HttpServer]:
    """The HTTP server that the environment asks for; None if it asks for none. Raises: SystemExit."""
    try:
        return http_server(application, os.environ)
    except HttpSettingError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error
