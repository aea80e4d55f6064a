"""A configuration in YAML, and how tests read one."""

from __future__ import annotations

import pytest

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.language.diagnostics import ConfigurationError

YAML = """\
serverfarms:
  HAFARM:
    nat_server: true
    predictor: leastconns
    reals:
      - address: 10.1.1.51
        port: 434
        weight: 1
        maxconns: 100
        faildetect: {numconns: 9, numclients: 3, inband: false}
        reassign: 2
        retry: 0
        inservice: true
      - {address: 10.1.1.52, inservice: no}
vservers:
  MIPSLB:
    virtual: 10.1.1.10
    serverfarm: HAFARM
    idle: 300
    clients:
      - network: 15.0.0.0/8
      - {network: 15.1.0.0/16, exclude: true}
    inservice: true
dfp:
  password: cisco
  password_timeout: 60
  agents:
    - {address: 10.1.1.51, port: 500}
    - {address: 10.1.1.52, port: 500, timeout: 1, retry_count: 2, retry_interval: 3}
interfaces:
  Vlan15: {address: 10.1.1.15/8}
routes:
  - {prefix: 20.0.0.0/8, next_hop: 10.1.1.1}
"""


def read(text: str) -> Configuration:
    return read_yaml(text, "slb.yaml")[0]


def errors(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(text, "slb.yaml")
    return str(caught.value).splitlines()
