"""JSON Schemas derive from the types of the rows, and the rows that are served conform to them."""

from __future__ import annotations

import json
from typing import Annotated, Optional, TypedDict

import pytest
from openapi_schema_validator import OAS31Validator
from web_bench import WebBench

from ryu_haslb.show.column_types import Count, Seconds, Values
from ryu_haslb.show.reals import RealRow
from ryu_haslb.web.route import JSON, Api, Call, Route
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.schemas import COMPONENTS, component, schema_of

TABLES = [route for route in ROUTES if route.method == "GET" and route.media_type == JSON and not route.refusal]


class Sample(TypedDict):
    """A row with a column
    of every kind."""

    name: str
    flag: Annotated[bool, "Whether it is so."]
    state: Annotated[str, Values(enum=("UP", "DOWN"))]
    limit: Annotated[Optional[Count], "A limit; null means none."]
    idle: Annotated[Seconds, "Time without a request."]
    samples: list[Count]
    real: RealRow


def test_each_kind_of_column_becomes_a_schema() -> None:
    """JSON Schema 2020-12, which OpenAPI 3.1 builds upon."""
    assert component(Sample) == {
        "type": "object",
        "description": "A row with a column\nof every kind.",
        "properties": {
            "name": {"type": "string"},
            "flag": {"type": "boolean", "description": "Whether it is so."},
            "state": {"type": "string", "enum": ["UP", "DOWN"]},
            "limit": {"type": ["integer", "null"], "minimum": 0, "description": "A limit; null means none."},
            "idle": {"type": "number", "minimum": 0, "description": "Time without a request. Unit: seconds."},
            "samples": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "real": {"$ref": "#/components/schemas/Real"},
        },
        "required": ["name", "flag", "state", "limit", "idle", "samples", "real"],
        "additionalProperties": False,
    }


def test_the_more_special_text_of_a_column_counts() -> None:
    assert schema_of(Annotated[Annotated[str, "ADDRESS:PORT."], "Of the agent."])["description"] == "Of the agent."


@pytest.mark.parametrize("route", TABLES, ids=lambda route: str(route.path))
def test_rows_that_are_served_conform_to_their_schema(route: Route) -> None:
    bench = WebBench()
    bench.fill()
    answer = json.loads(b"".join(route.answer(Api(bench), Call({})).app_iter))
    assert answer
    OAS31Validator({**(route.schema or {}), "components": {"schemas": COMPONENTS}}).validate(answer)


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_schema_has_a_description(name: str) -> None:
    assert COMPONENTS[name]["description"].endswith(".")
