"""The routes of the API that change something: clear sessions and counters, apply commands.

They need a token, and do what ``haslb`` does for the command of the same name.
"""

from __future__ import annotations

import json

from webob import Response

from ryu_haslb.control import configuring, operations
from ryu_haslb.control.operations import UndecidedError
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.web import parameters
from ryu_haslb.web.parameters import OF_SESSIONS, ParameterError
from ryu_haslb.web.route import JSON, TEXT, Api, ApiError, Body, Call, check_names, json_response
from ryu_haslb.web.schemas import ClearSessions, Remark, reference

#: The body of a request to clear sessions.
CLEAR_SESSIONS = Body(
    JSON,
    reference(ClearSessions),
    {"vserver": "MIPSLB"},
    'a JSON object: {} for all sessions, {"vserver": "MIPSLB"} for those of one virtual server; '
    "other keys are serverfarm, real, client and nai",
)
#: The body of a request to apply commands.
CONFIG = Body(
    TEXT,
    {"type": "string", "minLength": 1},
    "ip slb serverfarm HAFARM\n  real 10.1.1.51\n    weight 2\n",
    "configuration commands in UTF-8, such as: ip slb serverfarm HAFARM",
)


def clear_sessions(api: Api, call: Call) -> Response:
    """End the sessions that the body selects."""
    try:
        given = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"not JSON: {error}; expected {CLEAR_SESSIONS.expectation}") from error
    known = {each.name: each for each in OF_SESSIONS}
    if (
        not isinstance(given, dict)
        or given.keys() - known.keys()
        or not all(isinstance(each, str) for each in given.values())
    ):
        raise ApiError(400, f"wrong content; expected {CLEAR_SESSIONS.expectation}")
    try:
        wanted = parameters.session_filter({name: known[name].read(text) for name, text in given.items()})
    except ParameterError as error:
        raise ApiError(400, str(error)) from None
    check_names(api, wanted)
    return json_response({"cleared": operations.clear_sessions(api.application, wanted)})


def clear_counters(api: Api, _: Call) -> Response:
    """Set every counter to zero."""
    operations.clear_counters(api.application)
    return Response(status=204, content_type=None)


def apply_commands(api: Api, call: Call) -> Response:
    """Apply the commands in the body to the configuration in force: all of them, or none."""
    try:
        applied = configuring.apply_commands(api.application, call.body.decode(), "request", f"HTTP {call.peer}")
    except UnicodeDecodeError as error:
        raise ApiError(400, f"not UTF-8: {error}; expected {CONFIG.expectation}") from error
    except ConfigurationError as error:
        raise ApiError(422, "the commands have errors; nothing was changed", errors=_remarks(error.errors)) from error
    except UndecidedError as error:
        raise ApiError(504, str(error)) from error
    warnings = [*_remarks(applied.warnings), *({"line": 0, "text": text} for text in applied.notes)]
    return json_response({"changes": applied.changes, "consequences": applied.consequences, "warnings": warnings})


def _remarks(diagnostics: tuple[Diagnostic, ...]) -> list[Remark]:
    return [{"line": each.line, "text": each.text} for each in diagnostics]
