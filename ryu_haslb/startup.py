"""What has to be right before anything starts; each that is not ends the process with one line that says what to do."""

from __future__ import annotations

import logging
import os
import socket

from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.engine import cfg, ofproto_common
from ryu_haslb.language.diagnostics import ConfigurationError

LOG = logging.getLogger(__name__)

CONFIG_VARIABLE = "HASLB_CONFIG"


def configuration_of_environment() -> Configuration:
    """The configuration that the environment names."""
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
    """See to it that Ryu can listen for switches.

    It would log a traceback and go on, deaf, or share the port with another Ryu that has it (SO_REUSEPORT).
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
                f"ryu_haslb: cannot listen on {host} port {port}: {error.strerror}; end the program that has it, or "
                f"choose another with --ofp-{'ssl' if tls else 'tcp'}-listen-port"
            ) from error
