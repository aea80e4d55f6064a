"""The IPsec module's associations over HTTP: the rows of ``show crypto``, as openapi.json describes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from control_process import Application
from openapi_schema_validator import OAS31Validator
from vici_peer import IKE, charon, serving

from ryu_haslb.configuration.loader import load
from ryu_haslb.web.route import Api, ApiError, Call
from ryu_haslb.web.routes import ROUTES
from ryu_haslb.web.schemas import COMPONENTS

CHAPTER = Path(__file__).parents[3] / "topologies" / "chapter"
PATHS = {"/api/v1/crypto/ipsec/sa": "ProtectedPair", "/api/v1/crypto/isakmp/sa": "IsakmpAssociation"}


@pytest.fixture(name="get")
def of_example_5() -> Callable[[str], Any]:
    application = Application()
    application.configure(load(CHAPTER / "5-direct-ipsec-tunnel.ios").configuration)
    api = Api(application)
    routes = {route.path: route for route in ROUTES}
    return lambda path: json.loads(b"".join(routes[path].answer(api, Call({})).app_iter))


@pytest.mark.parametrize("path", PATHS)
def test_rows_are_as_described(
    path: str, get: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "vici", charon([{"l2tpmap-10": IKE}], [])) as vici:
        monkeypatch.setenv("HASLB_VICI", vici)
        (row,) = get(path)
    OAS31Validator({"$ref": f"#/components/schemas/{PATHS[path]}", "components": {"schemas": COMPONENTS}}).validate(row)


@pytest.mark.parametrize("path", PATHS)
def test_an_ipsec_module_that_does_not_answer_is_a_503(
    path: str, get: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASLB_VICI", f"{tmp_path}/vici")
    with pytest.raises(ApiError, match="start the IPsec module") as caught:
        get(path)
    assert caught.value.status == 503
