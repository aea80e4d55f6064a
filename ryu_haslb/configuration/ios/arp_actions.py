"""The actions of ``arp`` and ``no arp``."""

from __future__ import annotations

from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.configuration.model import StaticArp
from ryu_haslb.language.values import dotted_mac


def arp(draft: Draft, statement: Statement) -> None:
    address = statement.match["ADDRESS"]
    draft.arp[address] = StaticArp(address, statement.match["MAC"], statement.match.get("PORT-OR-VLAN"))
    draft.arp_lines[address] = statement.line
    if "alias" in statement.match:
        statement.warning(f"'alias' is not implemented: ARP for {address} is left to its owner")


def no_arp(draft: Draft, statement: Statement) -> None:
    address, mac = statement.match["ADDRESS"], statement.match.get("MAC")
    entry = draft.arp.get(address)
    if entry is None or mac not in (None, entry.mac):
        which = "" if mac is None else f" {dotted_mac(mac)}"
        statement.warning(f"there is no arp entry {address}{which} to remove")
    else:
        del draft.arp[address], draft.arp_lines[address]
