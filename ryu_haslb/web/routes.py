"""The HTTP API: its routes as data, and the functions that answer with what ``show`` reads.

The answers are the rows that ``show ... --json`` prints. :mod:`.changes` answers the routes that change something.
``openapi.json`` is made from the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, Optional, TypeVar

from webob import Response

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control import crypto
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.module import ModuleError
from ryu_haslb.language.wording import quoted
from ryu_haslb.show.clients import DEFAULT_LIMIT, ClientRow, Order, clients
from ryu_haslb.show.column_types import Row
from ryu_haslb.show.crypto import IsakmpAssociationRow, ProtectedPairRow
from ryu_haslb.show.dfp import DfpAgentRow, DfpWeightRow, dfp_agents, dfp_weights
from ryu_haslb.show.history import StateChangeRow, state_changes
from ryu_haslb.show.probes import ProbeRow, probes
from ryu_haslb.show.reals import RealRow, reals
from ryu_haslb.show.redundancy import MemberRow, RedundancyRow, SwitchoverRow, members, redundancy, switchovers
from ryu_haslb.show.report import Report
from ryu_haslb.show.serverfarms import ServerFarmRow, serverfarms
from ryu_haslb.show.sessions import SessionRow, sessions
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.statistics import CounterRow, statistics
from ryu_haslb.show.switches import SwitchRow, switches
from ryu_haslb.show.vservers import VirtualServerRow, vservers
from ryu_haslb.slb.session_filter import SessionFilter
from ryu_haslb.web import changes, metrics, parameters
from ryu_haslb.web.health import not_ready, notices
from ryu_haslb.web.load_history import RealHistoryRow
from ryu_haslb.web.parameters import AFTER, LIMIT, NAME, OF_SESSIONS, OFFSET, ORDER, SERVERFARM, Parameter
from ryu_haslb.web.route import TEXT, Api, ApiError, Call, Route, check_names, json_response, streamed
from ryu_haslb.web.schemas import (
    Cleared,
    Configured,
    Error,
    Health,
    Overview,
    Refused,
    array,
    reference,
)

#: Changes that the page shows.
MAX_CHANGES_SHOWN = 100
_NO_SUCH_NAME = (404, "The configuration has no virtual server, server farm or probe of this name.")

R = TypeVar("R", bound=Row)


def _table(path: str, summary: str, row: type[R], snapshot_of: Callable[[Sources], Iterator[Optional[R]]]) -> Route:
    """A route that answers with a table of the snapshot."""
    return Route("GET", path, summary, lambda api, _: streamed(filter(None, snapshot_of(api.sources))), array(row))


def _filtered(
    path: str, summary: str, answer: Callable[[Api, Call], Response], row: type[R], *parameters: Parameter
) -> Route:
    """A route that answers with the rows that its parameters select; 404 for an unknown name."""
    return Route("GET", path, summary, answer, array(row), errors=(_NO_SUCH_NAME,), parameters=parameters)


def _sessions(api: Api, call: Call) -> Response:
    wanted = parameters.session_filter(call.parameters)
    check_names(api, wanted)
    rows = sessions(api.sources, wanted, parameters.page(call.parameters))
    return streamed(_limited(rows, call.parameters.get(LIMIT.name)))


def _reals(api: Api, call: Call) -> Response:
    farm = call.parameters.get(SERVERFARM.name)
    check_names(api, SessionFilter(farm=farm))
    return streamed(reals(api.sources, farm))


def _probes(api: Api, call: Call) -> Response:
    name = call.parameters.get(NAME.name)
    if name is not None and name not in api.sources.configuration.probes:
        raise ApiError(404, f"there is no probe {quoted(name)}")
    return streamed(probes(api.sources, name))


def _clients(api: Api, call: Call) -> Response:
    given = call.parameters
    order, limit = given.get(ORDER.name, Order.REQUESTS), given.get(LIMIT.name, DEFAULT_LIMIT)
    return streamed(clients(api.sources, order, limit, given.get(OFFSET.name, 0)))


def _serverfarms(api: Api, call: Call) -> Response:
    name = call.parameters.get(NAME.name)
    check_names(api, SessionFilter(farm=name))
    return streamed(serverfarms(api.sources, name))


def _vservers(api: Api, call: Call) -> Response:
    name = call.parameters.get(NAME.name)
    check_names(api, SessionFilter(vserver=name))
    return streamed(vservers(api.sources, name))


def _limited(rows: Iterator[Optional[Row]], limit: Optional[int]) -> Iterator[Optional[Row]]:
    """The first rows, and the pauses between them."""
    for row in rows:
        yield row
        if limit is not None and row is not None:
            limit -= 1
            if not limit:
                return


def _of_module(path: str, summary: str, row: type[R], ask: Callable[[Configuration], Report[R]]) -> Route:
    """A route that answers with rows of the IPsec module; 503 if the module does not answer."""

    def answer(api: Api, _: Call) -> Response:
        try:
            report = ask(api.sources.configuration)
        except (CharonError, ModuleError) as error:
            raise ApiError(503, str(error)) from error
        return streamed(report.rows(api.sources))

    return Route("GET", path, summary, answer, array(row), refusal=(503, Error, "The IPsec module does not answer."))


def _history_rows(api: Api) -> Iterator[RealHistoryRow]:
    return api.history.rows(api.sources.balancer.reals())


def _history(api: Api, _: Call) -> Response:
    return streamed(_history_rows(api))


def _overview(api: Api, _: Call) -> Response:
    sources = api.sources
    overview: Overview = {
        "serverfarms": list(serverfarms(sources)),
        "reals": list(reals(sources)),
        "history": list(_history_rows(api)),
        "vservers": list(vservers(sources)),
        "dfp_agents": list(dfp_agents(sources)),
        "statistics": list(statistics(sources)),
        "switches": list(switches(sources)),
        "changes": list(state_changes(sources, MAX_CHANGES_SHOWN)),
        "members": list(members(sources)),
        "notices": notices(api.application),
    }
    return json_response(overview)


def _healthz(_api: Api, _: Call) -> Response:
    return json_response({"status": "ok", "problems": []})


def _readyz(api: Api, _: Call) -> Response:
    problems = list(not_ready(api.sources))
    return json_response({"status": "not ready" if problems else "ok", "problems": problems}, 503 if problems else 200)


def _metrics(api: Api, _: Call) -> Response:
    return Response(metrics.exposition(api.collector), headerlist=[("Content-Type", metrics.CONTENT_TYPE)])


def _running_configuration(api: Api, _: Call) -> Response:
    text = write_configuration(api.sources.configuration, with_secrets=False)
    return Response(text.encode(), content_type=TEXT, charset="utf-8")


#: Every route.
ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/v1/overview", "All tables that the page shows", _overview, reference(Overview)),
    _filtered("/api/v1/reals", "Real servers", _reals, RealRow, SERVERFARM),
    Route("GET", "/api/v1/history", "Real servers in the last five minutes", _history, array(RealHistoryRow)),
    _table(
        "/api/v1/history/changes",
        "State changes of the last days, newest first",
        StateChangeRow,
        state_changes,
    ),
    _filtered("/api/v1/probes", "What the probes of farms have shown of each real server", _probes, ProbeRow, NAME),
    _filtered("/api/v1/serverfarms", "Server farms", _serverfarms, ServerFarmRow, NAME),
    _filtered("/api/v1/vservers", "Virtual servers", _vservers, VirtualServerRow, NAME),
    _filtered(
        "/api/v1/sessions",
        "Live sessions. With limit or after, they are in an order that does not change while sessions begin and end",
        _sessions,
        SessionRow,
        *(*OF_SESSIONS, LIMIT, AFTER),
    ),
    Route(
        "GET",
        "/api/v1/clients",
        "The busiest clients, the busiest first; 20 without limit",
        _clients,
        array(ClientRow),
        parameters=(ORDER, LIMIT, OFFSET),
    ),
    _table("/api/v1/dfp/agents", "DFP agents", DfpAgentRow, dfp_agents),
    _table(
        "/api/v1/dfp/weights",
        "Weights that DFP agents have set",
        DfpWeightRow,
        dfp_weights,
    ),
    _table("/api/v1/statistics", "Counters of the balancer", CounterRow, statistics),
    _table("/api/v1/redundancy", "This balancer in its cluster", RedundancyRow, redundancy),
    _table("/api/v1/redundancy/members", "Members of the cluster", MemberRow, members),
    _table(
        "/api/v1/redundancy/switchovers",
        "Last switchovers of the cluster",
        SwitchoverRow,
        switchovers,
    ),
    _table("/api/v1/switches", "Switches", SwitchRow, switches),
    _of_module(
        "/api/v1/crypto/ipsec/sa",
        "Protected pairs of networks and their IPsec security associations",
        ProtectedPairRow,
        crypto.ipsec_sa,
    ),
    _of_module("/api/v1/crypto/isakmp/sa", "ISAKMP security associations", IsakmpAssociationRow, crypto.isakmp_sa),
    Route(
        "GET",
        "/api/v1/config",
        "The configuration in force, as commands of IOS; keys and passwords are masked",
        _running_configuration,
        {"type": "string"},
        TEXT,
    ),
    Route("GET", "/healthz", "Whether the process answers requests", _healthz, reference(Health)),
    Route(
        "GET",
        "/readyz",
        "Whether this balancer leads, serves a switch, and has a home agent for new sessions of every virtual server",
        _readyz,
        reference(Health),
        refusal=(503, Health, "It does not; the problems say why."),
    ),
    Route("GET", "/metrics", "Metrics for Prometheus", _metrics, {"type": "string"}, TEXT),
    Route(
        "POST",
        "/api/v1/clear/sessions",
        "End all sessions, or those that have all of the given properties",
        changes.clear_sessions,
        reference(Cleared),
        body=changes.CLEAR_SESSIONS,
        errors=(_NO_SUCH_NAME,),
        needs_leader=True,
    ),
    Route("POST", "/api/v1/clear/counters", "Set all counters to zero", changes.clear_counters, needs_leader=True),
    Route(
        "POST",
        "/api/v1/config",
        "Apply configuration commands to the running configuration: all of them, or none if one has an error",
        changes.apply_commands,
        reference(Configured),
        body=changes.CONFIG,
        refusal=(
            422,
            Refused,
            "A command has an error, or another member of the cluster was first: nothing was changed.",
        ),
        errors=(
            (504, "The cluster's database does not answer: it is not known whether the configuration has changed."),
        ),
    ),
)
