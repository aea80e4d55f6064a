"""``haslb schema``: prints the JSON Schema of configurations in YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ryu_haslb.configuration.yaml.schema import schema


def run(_: Sequence[str]) -> int:
    """Carry out ``haslb schema`` and return its exit status."""
    print(json.dumps(schema(), indent=2))
    return 0
