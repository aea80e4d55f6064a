"""What the balancer checks and opens before it serves switches: configuration, ports, control socket, HTTP.

Each function ends the process with one line on standard error that says what is wrong and what to do.
"""

from __future__ import annotations

import logging
import os
import resource
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ryu_haslb import log_format, lost_log
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.settings import ClusterSettingError, cluster_settings
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import execution
from ryu_haslb.control.operations import Application
from ryu_haslb.control.protocol import CONTROL_VARIABLE, DEFAULT_CONTROL
from ryu_haslb.control.server import ControlServer
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.engine import cfg, ofproto_common
from ryu_haslb.language.diagnostics import ConfigurationError
from ryu_haslb.openflow.capabilities.switch_records import SwitchRecord, SwitchRecordError, read_records
from ryu_haslb.openflow.sockets.server import BACKLOG
from ryu_haslb.openflow.sockets.tls import TlsSettingError, context_of_options
from ryu_haslb.supervision import Supervisor
from ryu_haslb.watchdog import WatchdogSettingError
from ryu_haslb.web.settings import HttpSettingError, http_server

if TYPE_CHECKING:
    from ryu_haslb.web.server import HttpServer

LOG = logging.getLogger(__name__)

CONFIG_VARIABLE = "HASLB_CONFIG"
RECORDS_VARIABLE = "HASLB_SWITCH_TESTS"
#: Where the kernel shows the memory limit of a control group, of version 2 and 1; "max" or a huge number is none.
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
#: Descriptors that are enough for every limit of this program together.
MAX_DESCRIPTORS = 1 << 16
_ALL_ADDRESSES = "0.0.0.0"


def new_supervisor() -> Supervisor:
    """The supervisor of the loops of the process, as the environment configures it. Raises: SystemExit."""
    try:
        return Supervisor(os.environ)
    except WatchdogSettingError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error


def write_log_in_format() -> None:
    """Have the log in the format that the environment asks for. Raises: SystemExit."""
    try:
        log_format.install(os.environ)
        lost_log.install()
    except log_format.LogFormatError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error


def open_startup_file() -> StartupFile:
    """The file that ``HASLB_CONFIG`` names. Raises: SystemExit."""
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise SystemExit(f"ryu_haslb: {CONFIG_VARIABLE} is not set; try: haslb run FILE")
    return StartupFile(path)


def load_configuration(path: str) -> Configuration:
    """The configuration of a file; its warnings are logged. Raises: SystemExit."""
    try:
        loaded = load(path)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error
    for warning in loaded.warnings:
        LOG.warning("%s", warning)
    return loaded.configuration


def load_switch_records() -> dict[int, SwitchRecord]:
    """The switch-test records in the directory that ``HASLB_SWITCH_TESTS`` names.

    Raises: SystemExit if the directory cannot be read.
    """
    try:
        return switch_records()
    except SwitchRecordError as error:
        raise SystemExit(f"ryu_haslb: {RECORDS_VARIABLE}: {error}") from error


def switch_records() -> dict[int, SwitchRecord]:
    """The switch-test records of :func:`load_switch_records`. Raises: SwitchRecordError."""
    directory = os.environ.get(RECORDS_VARIABLE)
    return read_records(Path(directory)) if directory else {}


def available_memory() -> Optional[int]:
    """The bytes of memory that this process may have: the machine's, or the limit of its control group; None: unknown.

    The control group's own files are seen in a container, and under systemd's ``MemoryMax`` with a private view.
    """
    limits = []
    with suppress(ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _MEMORY_LIMITS:
        with suppress(ValueError, OSError):
            limits.append(int(Path(path).read_text()))
    return min((limit for limit in limits if limit > 0), default=None)


def open_switch_ports() -> list[Any]:
    """Sockets that listen for switches where the engine's options say. Raises: SystemExit."""
    options = cfg.CONF
    host, ports = options.ofp_listen_host or _ALL_ADDRESSES, _switch_ports()
    sockets = []
    for port in ports:
        try:
            sockets.append(_listen(host, port))
        except OSError as error:
            raise SystemExit(
                f"ryu_haslb: cannot listen for switches on {host} port {port}: {error.strerror}; end the program that "
                f"uses the port, or choose another with --ofp-{'ssl' if has_tls() else 'tcp'}-listen-port"
            ) from error
    return sockets


def has_tls() -> bool:
    """Whether switches connect over TLS."""
    return cfg.CONF.ctl_privkey is not None and cfg.CONF.ctl_cert is not None


def _switch_ports() -> list[int]:
    """The ports that the options name, else the registered port of OpenFlow and its former one."""
    tls_port, plain_port = cfg.CONF.ofp_ssl_listen_port, cfg.CONF.ofp_tcp_listen_port
    if not tls_port and not plain_port:
        return [ofproto_common.OFP_TCP_PORT, ofproto_common.OFP_TCP_PORT_OLD]
    port = tls_port if has_tls() else plain_port
    if not port:
        given, needed = ("tcp", "ssl") if has_tls() else ("ssl", "tcp")
        raise SystemExit(
            f"ryu_haslb: --ofp-{given}-listen-port is of no use {'with' if has_tls() else 'without'} --ctl-privkey and "
            f"--ctl-cert; give --ofp-{needed}-listen-port"
        )
    return [int(port)]


def _listen(host: str, port: int) -> Any:
    """A listening socket. It shares its port with no other process (SO_REUSEPORT), as the engine's would."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def tls_context() -> Optional[ssl.SSLContext]:
    """The TLS context for the engine's options; None without TLS. Raises: SystemExit if a file cannot be used."""
    try:
        return context_of_options(cfg.CONF.ctl_privkey, cfg.CONF.ctl_cert, cfg.CONF.ca_certs)
    except TlsSettingError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error


def warn_of_open_port(configuration: Configuration) -> None:
    """Warn at the start if any program can connect as a switch."""
    if has_tls() and cfg.CONF.ca_certs is None:
        LOG.warning(
            "OpenFlow port: without --ca-certs no switch has to prove its identity; any program that reaches the port "
            "can connect as a switch"
        )
    is_everywhere = (cfg.CONF.ofp_listen_host or _ALL_ADDRESSES) in (_ALL_ADDRESSES, "::")
    if is_everywhere and not has_tls() and not configuration.datapaths:
        LOG.warning(
            "OpenFlow port: open on every address, without TLS and without 'ip slb datapath'; any program that reaches "
            "it can connect as a switch, read the rules and send requests. Give --ofp-listen-host an address of the "
            "management network, and use TLS or list the switches; see docs/running.md"
        )


def raise_descriptor_limit() -> int:
    """Raise the limit of open descriptors as far as possible: each connection needs one. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def open_control_server(application: Application) -> Optional[ControlServer]:
    """The control socket at ``HASLB_CONTROL``, else at the default path.

    Without ``HASLB_CONTROL`` the balancer also runs without a control socket (None), after a warning.

    Raises: SystemExit if the socket that ``HASLB_CONTROL`` names cannot be made.
    """
    path = os.environ.get(CONTROL_VARIABLE, DEFAULT_CONTROL)
    try:
        return ControlServer(
            path,
            lambda words: execution.execute(application, words),
            lambda words: execution.execute(application, words, is_root=True),
        )
    except OSError as error:
        problem = f"cannot make the control socket {path}: {error}; set {CONTROL_VARIABLE} to another path"
        if CONTROL_VARIABLE in os.environ:
            raise SystemExit(f"ryu_haslb: {problem}") from error
        LOG.warning("%s; running without a control socket", problem)
        return None


def open_http_server(application: Application) -> Optional[HttpServer]:
    """The HTTP server that the environment configures; None if it configures none. Raises: SystemExit."""
    try:
        return http_server(application, os.environ)
    except HttpSettingError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error


def join_cluster() -> Optional[Member]:
    """This balancer as a member of the cluster that the environment names, if it names one. Raises: SystemExit."""
    try:
        settings = cluster_settings(os.environ)
    except ClusterSettingError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error
    return None if settings is None else Member(settings)
