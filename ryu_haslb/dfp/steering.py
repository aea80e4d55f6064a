"""What agents report steers the real servers' weights, and shows that they live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.configuration.model import MOBILE_IP_PORT
from ryu_haslb.dfp.manager import SetWeight
from ryu_haslb.dfp.tlv import ANY_BIND_ID, ANY_PORT, ANY_PROTOCOL, UDP
from ryu_haslb.dfp.weight_table import Server, WeightTable
from ryu_haslb.slb.real import RealServer


def steer(reals: Iterable[RealServer], weights: WeightTable, reports: Optional[Sequence[SetWeight]]) -> None:
    """Let the real servers that these reports are about go by their weights; all of them after a loss (None).

    A report of a weight above 0 brings a failed real server back (the chapter).
    """
    spoken_of = None if reports is None else {report.server.address for report in reports}
    for real in reals:
        address, port = real.configuration.address, real.configuration.port or MOBILE_IP_PORT
        if spoken_of is None or address in spoken_of:
            real.set_dfp_weight(weights.weight(address, port))
            if any(report.weight and _is_about(report.server, address, port) for report in reports or ()):
                real.record_dfp_report()


def weights_by_own_decision(reals: Iterable[RealServer]) -> dict[IPv4Address, int]:
    """What agents are told of their servers (Server State): 0 for those that the balancer takes out of service.

    A server that several farms have is in service as long as one of them uses it.
    """
    weights: dict[IPv4Address, int] = {}
    for real in reals:
        weight = max(real.configuration.weight, 1) if real.is_usable else 0
        weights[real.configuration.address] = max(weight, weights.get(real.configuration.address, 0))
    return weights


def found_by_switches(reals: Iterable[RealServer]) -> frozenset[IPv4Address]:
    """The addresses of the real servers of which at least one switch knows where they are."""
    return frozenset(real.configuration.address for real in reals if real.reachable_from)


def _is_about(server: Server, address: IPv4Address, port: int) -> bool:
    return (
        server.address == address
        and server.port in (ANY_PORT, port)
        and server.protocol in (ANY_PROTOCOL, UDP)
        and server.bind_id in (0, ANY_BIND_ID)
    )
