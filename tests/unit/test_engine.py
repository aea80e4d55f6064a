"""What the product takes from the OpenFlow engine."""

from __future__ import annotations

import pytest

from ryu_haslb import engine


def test_every_name_that_the_engine_offers_exists() -> None:
    assert [name for name in engine.__all__ if not hasattr(engine, name)] == []


def test_an_installed_factory_replaces_that_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = vars(engine)["controller"]  # the engine's own module, which the product does not use otherwise
    monkeypatch.setattr(controller, "datapath_connection_factory", None)

    def serve(accepted: object, address: object) -> None:
        del accepted, address

    engine.install_connection_factory(serve)
    assert controller.datapath_connection_factory is serve
