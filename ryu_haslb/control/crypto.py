"""``show crypto``: the associations and counters of the IPsec module.

Its charon answers at the socket that HASLB_VICI names, its counters at the one that HASLB_VICI_COUNTERS names. Without
a crypto map in the configuration there is no module to ask, and nothing to show.
"""

from __future__ import annotations

import os
from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec import charon
from ryu_haslb.ipsec.charon import DEFAULT_VICI, VICI_VARIABLE
from ryu_haslb.ipsec.module import COUNTERS_VARIABLE, Counters, read_counters
from ryu_haslb.ipsec.translation import secured_interfaces
from ryu_haslb.show.crypto import (
    IsakmpAssociationRow,
    ProtectedPairRow,
    ipsec_lines,
    ipsec_rows,
    isakmp_lines,
    isakmp_rows,
)
from ryu_haslb.show.report import Report


def ipsec_sa(configuration: Configuration) -> Report[ProtectedPairRow]:
    """``show crypto ipsec sa``. Raises: CharonError or ModuleError if the IPsec module cannot be asked."""
    interfaces = secured_interfaces(configuration)
    rows: list[ProtectedPairRow] = []
    if interfaces:
        associations = charon.associations(vici_path())
        path = counters_path(configuration)
        counters = read_counters(path) if path else {}
        for interface in interfaces:
            rows += ipsec_rows(configuration, interface, associations, counters.get(interface, Counters()))
    return Report(lambda _: iter(rows), ipsec_lines)


def isakmp_sa(configuration: Configuration) -> Report[IsakmpAssociationRow]:
    """``show crypto isakmp sa``. Raises: CharonError if the IPsec module cannot be asked."""
    found = charon.associations(vici_path()) if secured_interfaces(configuration) else []
    return Report(lambda _: isakmp_rows(found), isakmp_lines)


def vici_path() -> str:
    """The vici socket of the IPsec module's charon."""
    return os.environ.get(VICI_VARIABLE, DEFAULT_VICI)


def counters_path(configuration: Configuration) -> Optional[str]:
    """The socket at which the IPsec module answers for its counters; None without a crypto map, or without a socket."""
    return os.environ.get(COUNTERS_VARIABLE) if secured_interfaces(configuration) else None
