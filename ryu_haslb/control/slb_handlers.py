"""Commands that select sessions, real servers, farms or virtual servers: ``show ip slb``, ``clear``, ``debug``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from ryu_haslb.control import debug, operations
from ryu_haslb.control.command_table import (
    CLEAR_SESSIONS,
    DEBUG_SESSIONS,
    SHOW_CLIENTS,
    SHOW_CONNS,
    SHOW_PROBE,
    SHOW_REALS,
    SHOW_SERVERFARMS,
    SHOW_SESSIONS,
    SHOW_VSERVERS,
)
from ryu_haslb.control.handler import Events, Handler, RefusedError, Result, Words
from ryu_haslb.control.operations import Application
from ryu_haslb.language.wording import quoted
from ryu_haslb.mobile_ip.identity import identities_of_text
from ryu_haslb.show import session_events
from ryu_haslb.show.clients import CLIENTS, DEFAULT_LIMIT, Order, clients
from ryu_haslb.show.probes import PROBES, PROBES_DETAIL, probes
from ryu_haslb.show.reals import REALS, REALS_DETAIL, reals
from ryu_haslb.show.serverfarms import SERVERFARMS, SERVERFARMS_DETAIL, serverfarms
from ryu_haslb.show.sessions import CONNS, SESSIONS, SESSIONS_DETAIL, conns, sessions
from ryu_haslb.show.vservers import VSERVERS, VSERVERS_DETAIL, vservers
from ryu_haslb.slb.session_filter import SessionFilter, UnknownObjectError


def _selected(application: Application, words: Words) -> SessionFilter:
    """The filter that the words ask for. Raises: RefusedError if the configuration has no object of a name in it."""
    client, nai = words.get("CLIENT"), words.get("NAI")
    wanted = SessionFilter(
        words.get("VSERVER", words.get("NAME")),
        words.get("FARM"),
        words.get("REAL"),
        None if client is None else IPv4Network((client, words.get("MASK", 32)), strict=False),
        None if nai is None else [each.key for each in identities_of_text(nai)],
    )
    balancer = application.sources.balancer
    try:
        wanted.check(balancer.virtual_servers, balancer.farms)
    except UnknownObjectError as error:
        raise RefusedError(f"{error}; see show ip slb {error.table}") from None
    return wanted


def _reals(application: Application, words: Words) -> Result:
    farm = _selected(application, words).farm
    report = REALS_DETAIL if "detail" in words else REALS
    return replace(report, rows=lambda sources: reals(sources, farm))


def _probes(application: Application, words: Words) -> Result:
    name = words.get("PROBE")
    if name is not None and name not in application.sources.configuration.probes:
        raise RefusedError(f"there is no probe {quoted(name)}; see show ip slb probe")
    report = PROBES_DETAIL if "detail" in words else PROBES
    return replace(report, rows=lambda sources: probes(sources, name))


def _serverfarms(application: Application, words: Words) -> Result:
    farm = _selected(application, words).farm
    report = SERVERFARMS_DETAIL if "detail" in words else SERVERFARMS
    return replace(report, rows=lambda sources: serverfarms(sources, farm))


def _vservers(application: Application, words: Words) -> Result:
    server = _selected(application, words).vserver
    report = VSERVERS_DETAIL if "detail" in words else VSERVERS
    return replace(report, rows=lambda sources: vservers(sources, server))


def _sessions(application: Application, words: Words) -> Result:
    wanted = _selected(application, words)
    report = SESSIONS_DETAIL if "detail" in words else SESSIONS
    return replace(report, rows=lambda sources: sessions(sources, wanted))


def _conns(application: Application, words: Words) -> Result:
    if "detail" in words:
        return _sessions(application, words)
    wanted = _selected(application, words)
    return replace(CONNS, rows=lambda sources: conns(sources, wanted))


def _clients(_application: Application, words: Words) -> Result:
    order = next((each for each in Order if each.value in words), Order.REQUESTS)
    limit = words.get("COUNT", DEFAULT_LIMIT)
    return replace(CLIENTS, rows=lambda sources: clients(sources, order, limit))


def _clear_sessions(application: Application, words: Words) -> Result:
    return iter([f"{operations.clear_sessions(application, _selected(application, words))} sessions cleared"])


def _debug_sessions(application: Application, words: Words) -> Result:
    wanted = _selected(application, words)
    return Events(debug.stream(application.sources.balancer, wanted), session_events.as_text)


#: The handler of each of these commands, by its template.
SLB_HANDLERS: dict[str, Handler] = {
    SHOW_REALS: _reals,
    SHOW_PROBE: _probes,
    SHOW_SERVERFARMS: _serverfarms,
    SHOW_VSERVERS: _vservers,
    SHOW_SESSIONS: _sessions,
    SHOW_CLIENTS: _clients,
    SHOW_CONNS: _conns,
    DEBUG_SESSIONS: _debug_sessions,
    CLEAR_SESSIONS: _clear_sessions,
}
