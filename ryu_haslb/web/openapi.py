"""The OpenAPI document, made from the table of routes."""

from __future__ import annotations

from typing import Any

from ryu_haslb import __version__
from ryu_haslb.web.route import JSON, Route
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.schemas import COMPONENTS, Error, reference

_BEARER = "token"


def description() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ryu_haslb",
            "version": __version__,
            "description": "State of a home agent load balancer (HA-SLB). Changes need a token.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": COMPONENTS, "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.operation, "summary": route.summary}
    if route.schema is None:
        responses = {"204": {"description": "Success; no content."}}
    else:
        responses = {"200": _answer("Success.", route.media_type, route.schema)}
    if route.needs_token:
        operation["security"] = [{_BEARER: []}]
        responses["401"] = _error("Token missing or wrong.")
        responses["403"] = _error("The balancer is read-only: no token is configured.")
        responses["429"] = _error("Too many wrong tokens from this address; the right one is accepted all the same.")
    responses["503"] = _error("Too many requests of this address at the same time.")
    if route.parameters:
        operation["parameters"] = [
            {"name": each.name, "in": "query", "description": each.meaning, "schema": each.schema}
            for each in route.parameters
        ]
    responses["400"] = _error("Unknown parameter, or a malformed one.")
    if route.body is not None:
        content = {route.body.media_type: {"schema": route.body.schema, "example": route.body.example}}
        operation["requestBody"] = {"required": True, "content": content}
        responses["400"] = _error("Malformed body, or an unknown parameter.")
        responses["413"] = _error("Body too long.")
        responses["415"] = _error("Wrong media type.")
    if route.needs_leader:
        responses["409"] = _error("This balancer stands by; the error names the member of the cluster that leads.")
    responses.update({str(status): _error(meaning) for status, meaning in route.errors})
    if route.refusal is not None:
        status, refusal, meaning = route.refusal
        responses[str(status)] = _answer(meaning, JSON, reference(refusal))
    return {**operation, "responses": responses}


def _answer(meaning: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": meaning, "content": {media_type: {"schema": schema}}}


def _error(meaning: str) -> dict[str, Any]:
    return _answer(meaning, JSON, reference(Error))
