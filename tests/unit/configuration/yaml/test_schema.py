"""The JSON Schema knows the keys that the reader knows, and accepts what the reader accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from budget import examples
from configuration_strategies import configurations
from hypothesis import given, settings
from openapi_schema_validator import OAS31Validator

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.configuration.yaml.schema import schema
from ryu_haslb.configuration.yaml.writer import write_yaml
from ryu_haslb.language.diagnostics import ConfigurationError

ROOT = Path(__file__).parents[4]
SAMPLES = sorted((ROOT / "topologies").glob("*.ios")) + sorted((ROOT / "topologies" / "chapter").glob("*.ios"))
DOCUMENT = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "configuration.md").read_text(), re.DOTALL)
VALIDATOR = OAS31Validator(schema())
REAL = "serverfarms: {F: {reals: [%s]}}"
#: For each block of the reader: a document in which %s is the block, and where its keys are in the schema.
BLOCKS = [
    ("%s", ""),
    ("serverfarms: {F: %s}", "serverfarms/*"),
    (REAL % "{address: 10.1.1.51, zzz: 1}", "serverfarms/*/reals/[]"),
    (REAL % "{address: 10.1.1.51, faildetect: %s}", "serverfarms/*/reals/[]/faildetect"),
    (REAL % "{address: 10.1.1.51, locations: [%s]}", "serverfarms/*/reals/[]/locations/[]"),
    ("vservers: {V: %s}", "vservers/*"),
    ("vservers: {V: {clients: [%s]}}", "vservers/*/clients/[]"),
    ("dfp: {password: x, zzz: 1}", "dfp"),
    ("dfp: {agents: [%s]}", "dfp/agents/[]"),
    ("routes: [%s]", "routes/[]"),
    ("arp: [%s]", "arp/[]"),
    ("datapaths: {1: %s}", "datapaths/1/*"),
    ("interfaces: {Vlan15: %s}", "interfaces/Vlan15"),
    ("interfaces: {FastEthernet3/15: %s}", "interfaces/FastEthernet3/15"),
    ("crypto: %s", "crypto"),
    ("crypto: {policies: {1: %s}}", "crypto/policies/*"),
    ("crypto: {keys: [%s]}", "crypto/keys/[]"),
    ("crypto: {transform_sets: {T: {transforms: [esp-aes], zzz: 1}}}", "crypto/transform_sets/*"),
    ("crypto: {maps: {M: {1: %s}}}", "crypto/maps/*/*"),
    ("crypto: {lifetime: %s}", "crypto/lifetime"),
    ("access_lists: {101: [%s]}", "access_lists/*/[]"),
]


def as_json(text: str) -> Any:
    """What an editor hands to a validator: keys are texts."""
    return json.loads(json.dumps(yaml.safe_load(text)))


def node_at(path: str) -> Any:
    """The schema at a path: ``*`` is any key, ``[]`` any item, a digit one of alternatives, another word a key."""
    node: Any = schema()
    for each in re.findall(r"[A-Z]\w*(?:/\d+)?|[^/]+", path):
        if "anyOf" in node:
            node = node["anyOf"][int(each)]
        elif each == "*":
            node = node["additionalProperties"]
        elif each == "[]":
            node = node["items"]
        elif "patternProperties" in node:
            (node,) = [value for pattern, value in node["patternProperties"].items() if re.match(pattern, each)]
        else:
            node = node["properties"][each]
    return node


def test_it_is_a_schema() -> None:
    """JSON Schema 2020-12."""
    OAS31Validator.check_schema(schema())


@pytest.mark.parametrize(("document", "path"), BLOCKS, ids=[path or "all" for _, path in BLOCKS])
def test_the_keys_of_each_block_are_those_of_the_reader(document: str, path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(document.replace("%s", "{zzz: 1}"), "test.yaml")
    (line,) = [str(each) for each in caught.value.errors if "'zzz'" in str(each)]
    known = re.findall("[a-z_]+", line.partition("expected")[2].partition("; did")[0])
    assert set(known) - {"or"} == set(node_at(path)["properties"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.name))
def test_every_sample_conforms_and_is_the_same_in_yaml(path: Path) -> None:
    configuration, _ = read_configuration(path.read_text(), path.name)
    text = write_yaml(configuration)
    VALIDATOR.validate(as_json(text))
    assert read_yaml(text, "written.yaml")[0] == configuration


@pytest.mark.parametrize("text", DOCUMENT)
def test_the_document_conforms(text: str) -> None:
    VALIDATOR.validate(as_json(text))


@settings(max_examples=examples(50))
@given(configurations())
def test_every_configuration_conforms(configuration: Configuration) -> None:
    VALIDATOR.validate(as_json(write_yaml(configuration)) or {})


@pytest.mark.parametrize(
    "text",
    [
        REAL % "{weight: 1}",
        REAL % "{address: 10.1.1.51, weight: 256}",
        REAL % "{address: 10.1.1.51, weight: '1'}",
        REAL % "{address: 10.1.1.510}",
        REAL % "{address: 10.1.1.51, faildetect: {numclients: 9}}",
        "serverfarms: {A-NAME-OF-16-CHARS: {}}",
        "vservers: {V: {idle: 0}}",
        "vservers: {V: {clients: [{network: 10.1.1.1}]}}",
        "dfp: {password_timeout: 3}",
        "routes: [{prefix: 10.0.0.0/33, next_hop: 10.1.1.1}]",
        "crypto: {policies: {1: {group: 3}}}",
        "serverfarms: []",
        "frobnicate: 1",
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(text: str) -> None:
    assert list(VALIDATOR.iter_errors(as_json(text)))
    with pytest.raises(ConfigurationError):
        read_yaml(text, "test.yaml")
