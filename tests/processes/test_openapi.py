"""The server does what its OpenAPI description says: schemathesis asks a running one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from budget import examples
from web_bench import TOKEN, served

from ryu_haslb.web.openapi import description

COMMANDS = "/api/v1/config"
RUNS = {
    # Configuration commands are a language of their own: a text that the schema allows is most often none of them.
    "commands": (TOKEN, "--include-path", COMMANDS, "--exclude-checks", "positive_data_acceptance"),
    "everything else": (TOKEN, "--exclude-path", COMMANDS),
    "strangers": ("not the token",),
}


@pytest.mark.parametrize("run", RUNS)
def test_schemathesis_finds_no_request_that_is_answered_otherwise_than_described(run: str, tmp_path: Path) -> None:
    token, *options = RUNS[run]
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        "--max-examples",
        str(examples(20)),
        *options,
    ]
    with served("token") as address:
        asked = [*command, "--header", f"Authorization: Bearer {token}", f"{address}/openapi.json"]
        ran = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_description_that_is_served_is_made_from_the_routes() -> None:
    with served() as address, urlopen(f"{address}/openapi.json") as answer:
        assert json.load(answer) == description()
