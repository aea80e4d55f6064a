"""Checks of probes against the farms that name them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Optional

from ryu_haslb.configuration.draft import Draft, FarmDraft
from ryu_haslb.configuration.model import Probe
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.wording import did_you_mean

#: Questions a second to all real servers together. Where the probes ask for more, each interval is longer.
MAX_PROBE_RATE = 200


def check_probes(draft: Draft, diagnostics: Diagnostics) -> None:
    """Record an error for each probe that is not there or has an impossible source, and a warning for each unused one.

    Farms lose the probes of a kind that is not implemented; the reader has warned of them.
    """
    used: dict[str, FarmDraft] = {}
    rate = 0.0
    for farm in draft.farms.values():
        for name, line in list(farm.probes.items()):
            entry = draft.probes.get(name)
            if entry is None:
                diagnostics.error(
                    line,
                    f"farm {farm.name}: there is no probe {name}; expected the name of an 'ip slb probe'"
                    + did_you_mean(name, draft.probes),
                )
            elif entry.probe is None:
                del farm.probes[name]
            else:
                used[name] = farm
                rate += sum(each.real.in_service for each in farm.reals.values()) / entry.probe.interval
                _check_source(farm, entry.probe, line, draft, diagnostics)
    for entry in draft.probes.values():
        if entry.probe is not None and entry.name not in used:
            diagnostics.warning(entry.line, f"probe {entry.name} is in no farm; expected 'probe {entry.name}' in one")
        elif rate > MAX_PROBE_RATE:
            diagnostics.warning(
                entry.line,
                f"the probes ask for {rate:.0f} questions a second, more than the {MAX_PROBE_RATE} that are sent; each "
                "interval is longer in proportion",
            )
            rate = 0.0


def _check_source(farm: FarmDraft, probe: Probe, line: int, draft: Draft, diagnostics: Diagnostics) -> None:
    where, source = f"farm {farm.name}: probe {probe.name}", probe.source
    if source is None:
        if not farm.nat_server:
            diagnostics.warning(
                line,
                f"{where} has no source, and asks nothing: in dispatched mode home agents hold the virtual address "
                "themselves; expected 'source A.B.C.D' in the probe, an address of their network that no machine has",
            )
        return
    owner = _owner_of(source, draft)
    is_virtual = any(server.address == source for server in draft.virtual_servers.values())
    if owner is not None or (is_virtual and not farm.nat_server):
        what = owner or "a virtual server, which home agents hold themselves in dispatched mode"
        diagnostics.error(
            line, f"{where}: the source {source} is the address of {what}; expected one that no machine has"
        )
    elif not farm.nat_server:
        distant = next(_reals_beside(farm, source, draft), None)
        if distant is not None:
            diagnostics.warning(
                line,
                f"{where}: the source {source} is not in the network of real {distant}, whose replies go to a router "
                "then; expected an address of the network that 'interface Vlan' has for it",
            )


def _owner_of(source: IPv4Address, draft: Draft) -> Optional[str]:
    for farm in draft.farms.values():
        if any(entry.real.address == source for entry in farm.reals.values()):
            return f"a real server of farm {farm.name}"
    return "the next hop of a route" if any(route.next_hop == source for route in draft.routes) else None


def _reals_beside(farm: FarmDraft, source: IPv4Address, draft: Draft) -> Iterator[IPv4Address]:
    """The real servers of a farm that are in the network of a VLAN to which the source does not belong."""
    interfaces = [interface for interface in (vlan.finished() for vlan in draft.vlans.values()) if interface]
    networks = [network for interface in interfaces for network in interface.networks]
    for entry in farm.reals.values():
        holding = [network for network in networks if entry.real.address in network]
        if holding and not any(source in network for network in holding):
            yield entry.real.address
