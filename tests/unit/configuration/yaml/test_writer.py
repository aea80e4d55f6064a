"""A configuration that is written as YAML is the same when it is read again."""

from __future__ import annotations

from configuration_strategies import configurations
from hypothesis import given

from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.configuration.yaml.writer import write_yaml


@given(configurations())
def test_what_is_written_is_read_again_and_merged_into_itself_changes_nothing(configuration: Configuration) -> None:
    text, commands = write_yaml(configuration), write_configuration(configuration)
    assert write_configuration(read_yaml(text, "written.yaml")[0]) == commands
    assert write_configuration(read_yaml(text, "written.yaml", configuration)[0]) == commands
