"""The OpenFlow engine: the only module of the project that names Ryu and os-ken, its maintained fork.

Every other module imports what it needs of the engine from here. The two have the same interface; this module takes
Ryu where both are installed, and under the manager command of one of them that one. Importing this module needs no
patched threads; a process that is to *run* the engine patches them first, which is why :mod:`ryu_haslb.manager` is a
module of its own.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable

import eventlet.wsgi

from ryu_haslb import product
from ryu_haslb.regular_file import open_own

# Ryu's HTTP module, which its application manager imports, takes this name from eventlet, which dropped it in 0.30.3.
# Any object will do: the balancer has a web server of its own.
if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
    eventlet.wsgi.ALREADY_HANDLED = object()

# os-ken runs native threads by default from version 4.0 on; it reads this when its hub is imported.
os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")

#: The packages that can be the engine, the preferred one first, and their names for the operator.
ENGINES = {"ryu": "Ryu", "os_ken": "os-ken"}


def _is_installed(package: str) -> bool:
    """Whether there is such an engine. A folder of this name on the path is none."""
    try:
        return find_spec(f"{package}.base.app_manager") is not None
    except ModuleNotFoundError:
        return False


def _choose() -> str:
    """The package of the engine: the one whose manager runs this process, else the first that is installed."""
    running = [package for package in ENGINES if f"{package}.cfg" in sys.modules]
    for package in running or filter(_is_installed, ENGINES):
        return package
    raise ImportError("no OpenFlow engine is installed; install os-ken, or Ryu 4.34: pip install os-ken")


#: The package of the engine that this process uses.
PACKAGE = _choose()


def _part(name: str) -> Any:
    return import_module(f"{PACKAGE}.{name}")


# Green threads: ``hub.sleep`` and ``hub.Event``.
hub = _part("lib.hub")
if getattr(hub, "HUB_TYPE", "eventlet") != "eventlet":
    raise ImportError(f"{ENGINES[PACKAGE]} runs native threads; set OSKEN_HUB_TYPE=eventlet, or unset it")

# The options of the command line and of the engine's configuration file, read into ``cfg.CONF``.
cfg = _part("cfg")

# The base class of an application; the manager starts the subclasses that it finds in ``ryu_haslb.app``.
# It comes before the controller, which it imports in a circle.
_app_manager = _part("base.app_manager")
RyuApp = _app_manager.RyuApp if PACKAGE == "ryu" else _app_manager.OSKenApp

# ``controller`` listens for switches; ``ofp_event`` holds one event class for each kind of OpenFlow message.
controller = _part("controller.controller")
ofp_event = _part("controller.ofp_event")

# A connection to a switch: handshake, negotiated version, and the events of its messages.
Datapath = controller.Datapath

# The states of a connection: hello, configuration, ready, disconnected.
_handler = _part("controller.handler")
CONFIG_DISPATCHER, DEAD_DISPATCHER = _handler.CONFIG_DISPATCHER, _handler.DEAD_DISPATCHER
HANDSHAKE_DISPATCHER, MAIN_DISPATCHER = _handler.HANDSHAKE_DISPATCHER, _handler.MAIN_DISPATCHER

# ``ofproto_common``: the default TCP ports. ``ofproto_parser``: from bytes to a message of the negotiated version.
# ``ofproto_v1_3``: the constants of OpenFlow 1.3. ``ofproto_v1_3_parser`` and ``ofproto_protocol``: the message classes
# of that version and the description that they are made with; tests hold ``openflow/wire/wire.py`` against them.
ofproto_common = _part("ofproto.ofproto_common")
ofproto_parser = _part("ofproto.ofproto_parser")
ofproto_protocol = _part("ofproto.ofproto_protocol")
ofproto_v1_3 = _part("ofproto.ofproto_v1_3")
ofproto_v1_3_parser = _part("ofproto.ofproto_v1_3_parser")

#: The engine's application that does the OpenFlow handshake and listens for switches. The manager loads what the
#: variable ``_REQUIRED_APP`` of an application's module names.
REQUIRED_APPLICATIONS = (f"{PACKAGE}.controller.ofp_handler",)


def install_connection_factory(serve: Callable[[Any, Any], None]) -> None:
    """Call ``serve(socket, address)`` for each switch that the engine connects to, in place of its own factory."""
    controller.datapath_connection_factory = serve


def leave_listening() -> None:
    """Keep the engine from listening for switches: its green threads for that wait for ever instead."""

    def wait_for_ever(*_: Any) -> None:
        hub.Event().wait()

    controller.OpenFlowController.server_loop = wait_for_ever


def run_manager(words: Sequence[str]) -> None:
    """Start the applications that ``words`` name, with the options among them, and return when they have ended.

    The engines' own managers do the same, but os-ken has none from version 3.0 on. The log is imported here because its
    import registers options, and a process that does not run the engine has a log of its own.
    """
    log, options = _part("log"), cfg.CONF
    options.register_cli_opts(
        [
            cfg.ListOpt("app-lists", default=[], help="applications to run, separated by commas"),
            cfg.MultiStrOpt("app", positional=True, default=[], help="application to run"),
            cfg.StrOpt("pid-file", default=None, help="file that the process id is written to"),
        ]
    )
    files = [file for file in (f"/usr/local/etc/{PACKAGE}/{PACKAGE}.conf",) if os.path.exists(file)]
    options(list(words), "haslb", "haslb-manager", version=describe(), default_config_files=files)
    log.init_log()
    logging.getLogger(_app_manager.LOG.name).setLevel(logging.WARNING)  # which applications it loads
    if options.pid_file:
        _write_pid(options.pid_file)
    manager = _app_manager.AppManager.get_instance()
    manager.load_apps(options.app_lists + options.app)
    services = manager.instantiate_apps(**manager.create_contexts())
    try:
        hub.joinall(services)
    finally:
        manager.close()


def _write_pid(path: str) -> None:
    """Write the process id to a file that no other user can have changed. Raises: SystemExit if there is none."""
    try:
        with open(open_own(path, os.O_WRONLY, 0o644), "w") as file:
            file.truncate()
            file.write(str(os.getpid()))
    except OSError as error:
        raise SystemExit(
            f"haslb-manager: --pid-file {path}: {error.strerror}; remove what is there, or name another file"
        ) from error


def describe() -> str:
    """The product, the engine that it uses, and their versions."""
    package = import_module(PACKAGE)
    return f"{product()} with {ENGINES[PACKAGE]} {package.version if PACKAGE == 'ryu' else package.__version__}"
