"""What operators ask of the IPsec module: its charon answers at the socket that HASLB_VICI names.

Without a crypto map in the configuration there is no module to ask, and nothing to show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec import charon
from ryu_haslb.ipsec.charon import DEFAULT_VICI, VICI_VARIABLE
from ryu_haslb.ipsec.module import COUNTERS_VARIABLE, Counters, clear_counters, read_counters
from ryu_haslb.ipsec.translation import secured_interfaces
from ryu_haslb.show.crypto import ipsec_lines, ipsec_rows, isakmp_lines, isakmp_rows
from ryu_haslb.show.reports import Report
from ryu_haslb.show.snapshot import Row


def ipsec_sa(configuration: Configuration) -> Report:
    """``show crypto ipsec sa``. CharonError or ModuleError if the module cannot be asked."""
    interfaces = secured_interfaces(configuration)
    rows: list[Row] = []
    if interfaces:
        associations = charon.associations(_vici())
        path = _counters(configuration)
        counters = read_counters(path) if path else {}
        for interface in interfaces:
            rows += ipsec_rows(configuration, interface, associations, counters.get(interface, Counters()))
    return Report(lambda _: iter(rows), ipsec_lines)


def isakmp_sa(configuration: Configuration) -> Report:
    """``show crypto isakmp sa``. CharonError if charon cannot be asked."""
    found = charon.associations(_vici()) if secured_interfaces(configuration) else []
    return Report(lambda _: isakmp_rows(found), isakmp_lines)


def clear_sa(configuration: Configuration) -> Iterator[str]:
    """``clear crypto sa``: traffic that is to be protected has new associations made, and counting begins anew."""
    count = _cleared(configuration, charon.clear_ipsec)
    path = _counters(configuration)
    if path:
        clear_counters(path)
    return iter([f"{count} pairs of security associations cleared"])


def clear_isakmp(configuration: Configuration) -> Iterator[str]:
    """``clear crypto isakmp``: the peers forget each other."""
    return iter([f"{_cleared(configuration, charon.clear_isakmp)} ISAKMP associations cleared"])


def _cleared(configuration: Configuration, clear: Callable[[str], int]) -> int:
    return clear(_vici()) if secured_interfaces(configuration) else 0


def _counters(configuration: Configuration) -> Optional[str]:
    """Where the module counts; None if it has nothing to count, or does not."""
    return os.environ.get(COUNTERS_VARIABLE) if secured_interfaces(configuration) else None


def _vici() -> str:
    return os.environ.get(VICI_VARIABLE, DEFAULT_VICI)
