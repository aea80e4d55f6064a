"""A configuration that is written as YAML is the same when it is read again."""

from __future__ import annotations

from configuration_strategies import configurations
from hypothesis import given

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.configuration.yaml.writer import write_yaml


@given(configurations())
def test_what_is_written_is_read_again(configuration: Configuration) -> None:
    again, _ = read_yaml(write_yaml(configuration), "written.yaml")
    assert write_configuration(again) == write_configuration(configuration)


@given(configurations())
def test_what_is_merged_into_itself_changes_nothing(configuration: Configuration) -> None:
    again, _ = read_yaml(write_yaml(configuration), "written.yaml", configuration)
    assert write_configuration(again) == write_configuration(configuration)
