"""What tests of connections share."""

from __future__ import annotations

from importlib import import_module

import pytest

from ryu_haslb import engine


@pytest.fixture(name="handshakes")
def engine_does_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's application takes part in handshakes, as in a balancer that runs."""
    manager = import_module(f"{engine.PACKAGE}.base.app_manager")
    handler = import_module(f"{engine.PACKAGE}.controller.ofp_handler").OFPHandler()
    monkeypatch.setitem(manager.SERVICE_BRICKS, handler.name, handler)
    manager.register_instance(handler)
