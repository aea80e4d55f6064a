"""The OpenFlow engine: the only module of the project that names Ryu.

Every other module imports what it needs of the engine from here, so that another engine with the same interface can
take Ryu's place by a change to this file. Importing this module needs no patched threads; a process that is to *run*
the engine patches them first, which is why :mod:`ryu_haslb.manager` is a module of its own.
"""

from __future__ import annotations

from typing import Any, Callable

import eventlet.wsgi

# Ryu's HTTP module, which its application manager imports, takes this name from eventlet, which dropped it in 0.30.3.
# Any object will do: the balancer has a web server of its own.
if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
    eventlet.wsgi.ALREADY_HANDLED = object()

# The options of the command line and of the engine's configuration file, read into ``cfg.CONF``.
from ryu import cfg

# The base class of an application; the manager starts the subclasses that it finds in ``ryu_haslb.app``.
from ryu.base.app_manager import RyuApp

# ``controller`` listens for switches; ``ofp_event`` holds one event class for each kind of OpenFlow message.
from ryu.controller import controller, ofp_event

# A connection to a switch: handshake, negotiated version, and the events of its messages.
from ryu.controller.controller import Datapath

# The states of a connection: hello, configuration, ready, disconnected.
from ryu.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, HANDSHAKE_DISPATCHER, MAIN_DISPATCHER

# Green threads: ``hub.sleep`` and ``hub.Event``.
from ryu.lib import hub

# ``ofproto_common``: the default TCP ports. ``ofproto_parser``: from bytes to a message of the negotiated version.
# ``ofproto_v1_3``: the constants of OpenFlow 1.3. ``ofproto_v1_3_parser`` and ``ofproto_protocol``: the message classes
# of that version and the description that they are made with; tests hold ``openflow/wire.py`` against them.
from ryu.ofproto import ofproto_common, ofproto_parser, ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser

__all__ = [
    "CONFIG_DISPATCHER",
    "DEAD_DISPATCHER",
    "HANDSHAKE_DISPATCHER",
    "MAIN_DISPATCHER",
    "REQUIRED_APPLICATIONS",
    "Datapath",
    "RyuApp",
    "cfg",
    "hub",
    "install_connection_factory",
    "leave_listening",
    "ofp_event",
    "ofproto_common",
    "ofproto_parser",
    "ofproto_protocol",
    "ofproto_v1_3",
    "ofproto_v1_3_parser",
    "run_manager",
]


#: The engine's application that does the OpenFlow handshake and listens for switches. The manager loads what the
#: variable ``_REQUIRED_APP`` of an application's module names.
REQUIRED_APPLICATIONS = ("ryu.controller.ofp_handler",)


def install_connection_factory(serve: Callable[[Any, Any], None]) -> None:
    """Call ``serve(socket, address)`` for each switch that the engine connects to, in place of its own factory."""
    controller.datapath_connection_factory = serve


def leave_listening() -> None:
    """Keep the engine from listening for switches: its green threads for that wait for ever instead."""

    def wait_for_ever(*_: Any) -> None:
        hub.Event().wait()

    controller.OpenFlowController.server_loop = wait_for_ever


def run_manager() -> None:
    """Run the engine's manager: read ``sys.argv``, start the named applications, and return when they have ended.

    The manager is imported here because its import alone sets up logging and registers options.
    """
    from ryu.cmd.manager import main  # noqa: PLC0415

    main()
