"""The container recipe and the compose file name files, options and ports that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ryu_haslb.cli.run import parser

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tools" / "container"
RECIPE = (FOLDER / "Dockerfile").read_text()
SERVICES: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
#: Made by the operator.
CONFIGURATION = "./haslb.ios"


def test_every_file_that_a_service_mounts_exists() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source in (CONFIGURATION, "prometheus") or (FOLDER / source).is_file(), source


def test_the_image_is_built_from_all_that_the_package_needs() -> None:
    assert SERVICES["haslb"]["build"] == {"context": "../..", "dockerfile": "tools/container/Dockerfile"}
    needed = re.findall(r"^content=\((.*)\)$", (ROOT / "tools" / "build-deb").read_text(), re.MULTILINE)[0].split()
    kept = re.findall(r"^!(.+)$", (FOLDER / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert {*needed, "Makefile", "tools"} == set(kept)


def test_both_command_lines_are_those_of_haslb_run() -> None:
    words = re.findall(r'"([^"]+)"', re.findall(r"^CMD (.+)$", RECIPE, re.MULTILINE)[0])
    assert parser().parse_args(words).listen == ("0.0.0.0", 6653)
    command = [word.replace("${HASLB_LISTEN:-127.0.0.1}", "192.0.2.1") for word in SERVICES["haslb"]["command"]]
    assert parser().parse_args(command).listen == ("192.0.2.1", 6653)


def test_prometheus_and_the_dashboard_ask_where_the_services_listen() -> None:
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (http,) = [each for each in SERVICES["haslb"]["command"] if each.endswith(":8080")]
    assert settings == [{"job_name": "haslb", "static_configs": [{"targets": [http]}]}]
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasource.yaml").read_text())["datasources"]
    assert f"--web.listen-address={source['url'].removeprefix('http://')}" in SERVICES["prometheus"]["command"]


def test_no_service_without_a_password_is_open_to_the_network() -> None:
    listening = [SERVICES["haslb"]["command"][-1], SERVICES["prometheus"]["command"][-1].partition("=")[2]]
    listening.append(SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"])
    assert all(each.startswith("127.0.0.1") for each in listening)
