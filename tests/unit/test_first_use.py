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
"""


def output_of(script: str) -> list[str]:
    """What a process prints, word by word, that has imported the engine as ``haslb-manager`` does."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _START + script.replace("ENGINE", engine.PACKAGE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout.split()


def test_a_start_loads_neither_the_packet_library_nor_a_web_server_nor_other_versions_of_openflow() -> None:
    script = "import ryu_haslb.app; print(*sys.modules)"
    loaded = set(output_of(script))
    assert "ryu_haslb.app" in loaded
    inner = {"webob", "routes", "http.server", "rfc3986.uri", "asyncio.tasks", f"{engine.PACKAGE}.lib.packet.bgp"}
    assert not loaded & inner


@pytest.mark.parametrize("name", ["ofproto_v1_0_parser", "ofproto_v1_5_parser"])
def test_another_version_of_openflow_is_loaded_when_it_is_used(name: str) -> None:
    script = f"from ENGINE.ofproto import {name} as parser; print('OFPHello' in vars(parser), parser.OFPHello.__name__)"
    assert output_of(script) == ["False", "OFPHello"]


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


def test_all_names_are_imported_of_a_module_that_waits() -> None:
    """``from … import *`` asks for ``__all__`` first, and does with all names where there is none."""
    assert output_of("from ENGINE.lib.packet.in_proto import *; print(IPPROTO_UDP)") == ["17"]


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
