"""A start loads nothing of the engine that the balancer does not use, and what another application uses is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ryu_haslb import engine

_START = """
import sys
from ryu_haslb.first_use import await_first_use
await_first_use()
import ryu_haslb.manager
ryu_haslb.manager.prepare()
import ryu_haslb.engine
ryu_haslb.engine.cfg.CONF([], project="test", default_config_files=[])
"""


def output_of(script: str) -> list[str]:
    """What a process prints, word by word, in which applications are about to be loaded by ``haslb-manager``.

    It has imported the engine and read its options, so that no further one can be registered.
    """
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _START + script.replace("ENGINE", engine.PACKAGE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.split()


def test_a_start_loads_neither_the_packet_library_nor_what_it_does_not_use_of_others() -> None:
    script = "import ryu_haslb.app; print(*sys.modules)"
    loaded = set(output_of(script))
    assert "ryu_haslb.app" in loaded
    inner = {"http.server", "rfc3986.uri", "asyncio.tasks", f"{engine.PACKAGE}.lib.packet.bgp"}
    assert not loaded & inner


@pytest.mark.parametrize("event", ["EventOFPStatsReply", "EventOFPTableStatus", "EventOFPControllerStatus"])
def test_the_events_of_all_versions_of_openflow_are_there_for_another_application(event: str) -> None:
    """The engine makes one for each message of a parser: 1.0, 1.4 and 1.5 have these alone."""
    assert output_of(f"from ENGINE.controller import ofp_event; print(ofp_event.{event}.__name__)") == [event]


def test_another_application_reads_packets_as_without_it() -> None:
    script = """
from ENGINE.lib.packet import arp, ethernet, packet
made = packet.Packet()
made.add_protocol(ethernet.ethernet(ethertype=0x0806))
made.add_protocol(arp.arp(dst_ip="192.0.2.1"))
made.serialize()
print(packet.Packet(made.data).get_protocol(arp.arp).dst_ip)
"""
    assert output_of(script) == ["192.0.2.1"]


@pytest.mark.skipif(engine.PACKAGE != "ryu", reason="os-ken has no web server any more")
def test_another_application_uses_the_web_server() -> None:
    assert output_of("from ENGINE.app.wsgi import WSGIApplication; print(WSGIApplication.__name__)") == [
        "WSGIApplication"
    ]


def test_another_application_makes_packets_of_json_as_without_it() -> None:
    """The engine looks for the classes of packets in all modules of its packet library."""
    script = """
from ENGINE.lib.packet import icmp, packet
made = packet.Packet(protocols=[icmp.icmp()])
print(type(packet.Packet.from_jsondict(made.to_jsondict()["Packet"]).protocols[0]).__name__)
"""
    assert output_of(script) == ["icmp"]


def test_the_events_of_the_zebra_protocol_are_there_for_another_application() -> None:
    """The engine makes one for each class that the module of the packet library has in its ``__dict__``."""
    script = "from ENGINE.services.protocols.zebra import event; print(len(event.ZEBRA_EVENTS) > 0)"
    assert output_of(script) == ["True"]


def test_all_names_are_imported_of_a_module_that_waits() -> None:
    """``from … import *`` asks for ``__all__`` first, and does with all names where there is none."""
    assert output_of("from ENGINE.lib.packet.icmp import *; print(ICMP_ECHO_REQUEST)") == ["8"]


@pytest.mark.parametrize("module", ["asyncio.events", "asyncio.subprocess", "rfc3986.uri", "stevedore.extension"])
def test_a_package_is_loaded_before_a_module_of_it(module: str) -> None:
    """Otherwise the package would be loaded while that module is, which has no names yet."""
    package = module.partition(".")[0]
    script = f"""
import importlib, {package}
found = importlib.import_module({module!r})
print(len(vars({package})) > 20, found is sys.modules[{module!r}], found is {module}, found.__spec__.loader)
"""
    assert output_of(script)[:4] == ["True", "True", "True", "<_frozen_importlib_external.SourceFileLoader"]


@pytest.mark.parametrize("earlier", ["", "asyncio.run;"])
def test_a_module_is_loaded_anew_as_without_it(earlier: str) -> None:
    script = f"import asyncio, importlib; {earlier} asyncio.run = None; importlib.reload(asyncio); asyncio.sleep; "
    assert output_of(script + "print(asyncio.run.__name__)") == ["run"]


def test_each_use_of_a_module_that_cannot_be_loaded_says_why() -> None:
    script = """
import rfc3986
sys.modules["rfc3986.api"] = None
for _ in range(2):
    try:
        rfc3986.uri_reference
    except ImportError as error:
        print(error.name)
del sys.modules["rfc3986.api"]
print(rfc3986.uri_reference.__name__)
"""
    assert output_of(script) == ["rfc3986.api", "rfc3986.api", "uri_reference"]


def test_a_module_that_was_loaded_has_its_own_loader() -> None:
    script = "import asyncio; print(asyncio.run.__name__, '__getattr__' in vars(asyncio), asyncio.__spec__.loader)"
    assert output_of(script)[:3] == ["run", "False", "<_frozen_importlib_external.SourceFileLoader"]


def test_a_name_that_no_module_has_is_an_attribute_error() -> None:
    script = """
import rfc3986
for _ in range(2):
    try:
        rfc3986.nonsense
    except AttributeError as error:
        print(type(error).__name__)
"""
    assert output_of(script) == ["AttributeError", "AttributeError"]
