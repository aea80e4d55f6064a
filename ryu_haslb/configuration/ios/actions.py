"""The actions of the balancer's configuration commands: each changes a draft.

An action takes the subject of its block and the statement. It returns the subject of the block that it opens, if any,
and raises ValueError to refuse the command. The commands are in :mod:`.command_table`, the
actions of VLAN interfaces and routes in :mod:`.network_actions`, those of ARP in :mod:`.arp_actions`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Network
from typing import Any

from ryu_haslb.configuration.draft import DfpDraft, Draft, FarmDraft, RealDraft, VirtualServerDraft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.configuration.ios.password import MAX_PASSWORD_LENGTH, decrypt, dfp_password
from ryu_haslb.configuration.model import (
    ClientRule,
    Datapath,
    DfpAgent,
    DfpManager,
    Drain,
    Predictor,
    RealServer,
    StaticLocation,
    Switching,
    VirtualServer,
)
from ryu_haslb.language.values import vlan_ranges
from ryu_haslb.language.wording import quoted
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT


def ignore(_subject: object, _statement: Statement) -> None:
    """The action of a command without effect, such as ``hostname``, ``version`` or ``description``."""


# ip slb serverfarm / real


def serverfarm(draft: Draft, statement: Statement) -> FarmDraft:
    name = statement.match["NAME"]
    return draft.farms.setdefault(name, FarmDraft(statement.line, name))


def no_serverfarm(draft: Draft, statement: Statement) -> None:
    if draft.farms.pop(statement.match["NAME"], None) is None:
        statement.warning(f"there is no farm {statement.match['NAME']} to remove")


def nat_server(farm: FarmDraft, statement: Statement) -> None:
    farm.nat_server = "no" not in statement.match


def predictor(farm: FarmDraft, statement: Statement) -> None:
    chosen = (each for each in Predictor if each.value in statement.match and "no" not in statement.match)
    farm.predictor = next(chosen, Predictor.ROUND_ROBIN)


def real(farm: FarmDraft, statement: Statement) -> RealDraft:
    key = (statement.match["ADDRESS"], statement.match.get("PORT"))
    return farm.reals.setdefault(key, RealDraft(statement.line, RealServer(*key)))


def no_real(farm: FarmDraft, statement: Statement) -> None:
    if farm.reals.pop((statement.match["ADDRESS"], statement.match.get("PORT")), None) is None:
        statement.warning(f"farm {farm.name} has no real {statement.match['ADDRESS']} to remove")


def change(entry: RealDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of a real, or with ``no`` return them to the defaults of IOS."""
    if "no" in statement.match:
        values = {name: getattr(RealServer, name) for name in values}
    entry.real = replace(entry.real, **values)


def weight(entry: RealDraft, statement: Statement) -> None:
    change(entry, statement, weight=statement.match.get("WEIGHT"))


def maxconns(entry: RealDraft, statement: Statement) -> None:
    change(entry, statement, maxconns=statement.match.get("CONNECTIONS"))
    if "sticky-override" in statement.match and "no" not in statement.match:
        statement.warning("'sticky-override' is not implemented: no session is beyond maxconns")


def faildetect(entry: RealDraft, statement: Statement) -> None:
    if statement.match.words == ("no", "faildetect"):
        statement.warning(
            "the limits of faildetect return to their defaults; failures are detected as before "
            "('no faildetect inband' turns failure detection off)"
        )
    clients = statement.match.get("CLIENTS", RealServer.faildetect_numclients)
    failures = statement.match.get("FAILURES")
    change(entry, statement, faildetect_numconns=failures, faildetect_numclients=clients)


def faildetect_inband(entry: RealDraft, statement: Statement) -> None:
    entry.real = replace(entry.real, faildetect_inband="no" not in statement.match)


def reassign(entry: RealDraft, statement: Statement) -> None:
    change(entry, statement, reassign=statement.match.get("THRESHOLD"))


def retry(entry: RealDraft, statement: Statement) -> None:
    change(entry, statement, retry=statement.match.get("SECONDS"))


def real_in_service(entry: RealDraft, statement: Statement) -> None:
    entry.real = replace(entry.real, in_service="no" not in statement.match)


def drain(entry: RealDraft, statement: Statement) -> None:
    change(entry, statement, drain=Drain.MOVE if "move" in statement.match else Drain.STAY)


def location(entry: RealDraft, statement: Statement) -> None:
    match = statement.match
    found = StaticLocation(match["MAC"], match["PORT"], match.get("VLAN"), match.get("DATAPATH"))
    others = [each for each in entry.real.locations if each.datapath != found.datapath]
    entry.real = replace(entry.real, locations=(*others, found))


def no_location(entry: RealDraft, statement: Statement) -> None:
    match = statement.match
    is_one = match.get("MAC") is not None or "datapath" in match
    others = [each for each in entry.real.locations if is_one and each.datapath != match.get("DATAPATH")]
    entry.real = replace(entry.real, locations=tuple(others))


# ip slb entries


def entries(draft: Draft, statement: Statement) -> None:
    maximum = statement.match.get("MAXIMUM") if "no" not in statement.match else None
    draft.max_sessions = maximum
    if maximum is not None and maximum < statement.match["INITIAL"]:
        statement.warning(
            f"the maximum of {maximum} sessions is less than the initial number, {statement.match['INITIAL']}, which "
            "has no effect; expected the maximum behind the initial number"
        )


# ip slb vserver


def vserver(draft: Draft, statement: Statement) -> VirtualServerDraft:
    name = statement.match["NAME"]
    return draft.virtual_servers.setdefault(name, VirtualServerDraft(statement.line, name))


def no_vserver(draft: Draft, statement: Statement) -> None:
    if draft.virtual_servers.pop(statement.match["NAME"], None) is None:
        statement.warning(f"there is no virtual server {statement.match['NAME']} to remove")


def virtual(server: VirtualServerDraft, statement: Statement) -> None:
    address = statement.match.get("ADDRESS")
    if "no" not in statement.match:
        server.address, server.address_line = address, statement.line
        server.other_service = None
    elif address in (None, server.address):
        server.address, server.address_line = None, statement.line
    else:
        statement.warning(f"virtual server {server.name} has no address {address} to remove")


def other_virtual(server: VirtualServerDraft, statement: Statement) -> None:
    """``virtual`` of another service than Mobile IP: RADIUS, GTP, web."""
    what = statement.match.get("LINE") or ""
    if "ipmobile" in what.split():
        raise ValueError(
            f"a virtual server of Mobile IP is UDP port {MOBILE_IP_PORT} of one address; "
            f"expected 'virtual A.B.C.D udp {MOBILE_IP_PORT} service ipmobile'"
        )
    number = statement.match.get("PROTOCOL-NUMBER")
    protocol = statement.match.words[-1] if number is None else f"protocol {number}"
    server.other_service = f"{protocol} {what}".strip()
    statement.warning(
        f"virtual server {server.name} is of another service ({quoted(server.other_service)}) and is ignored, and so "
        "is its farm unless a virtual server of Mobile IP has it"
    )


def vserver_farm_without_backup(server: VirtualServerDraft, statement: Statement) -> None:
    server.farm, server.farm_line = statement.match["NAME"], statement.line
    rest = " ".join((statement.match.words[-1], statement.match["LINE"]))
    statement.warning(f"{quoted(rest)} is not implemented: virtual server {server.name} has farm {server.farm} alone")


def in_service_on_standby(server: VirtualServerDraft, statement: Statement) -> None:
    server.in_service = "no" not in statement.match
    if server.in_service:
        statement.warning(
            f"virtual server {server.name} is in service in every state of standby group "
            f"{quoted(statement.match['LINE'])}: HSRP is not implemented"
        )


def vserver_farm(server: VirtualServerDraft, statement: Statement) -> None:
    name = statement.match.get("NAME")
    if "no" in statement.match and name not in (None, server.farm):
        statement.warning(f"virtual server {server.name} has no farm {name} to remove")
        return
    server.farm = name if "no" not in statement.match else None
    server.farm_line = statement.line


def idle(server: VirtualServerDraft, statement: Statement) -> None:
    server.idle_line = statement.line
    server.idle = statement.match["SECONDS"] if "no" not in statement.match else VirtualServer.idle


def client(server: VirtualServerDraft, statement: Statement) -> None:
    network = IPv4Network((statement.match["PREFIX"], statement.match["MASK"]), strict=False)
    if "no" not in statement.match:
        server.clients[network] = ClientRule(network, "exclude" in statement.match)
        return
    known = server.clients.get(network)
    if known is None or ("exclude" in statement.match and not known.exclude):
        exclude = " exclude" if "exclude" in statement.match else ""
        statement.warning(f"virtual server {server.name} has no client {network}{exclude} to remove")
    else:
        del server.clients[network]


def vserver_vlans(server: VirtualServerDraft, statement: Statement) -> None:
    vlans = statement.match.get("VLANS")
    if "no" not in statement.match:
        server.vlans = vlans
    elif vlans in (None, server.vlans):
        server.vlans = None
    else:
        statement.warning(f"virtual server {server.name} has no client vlan {vlan_ranges(vlans)} to remove")


def vserver_in_service(server: VirtualServerDraft, statement: Statement) -> None:
    server.in_service = "no" not in statement.match


# ip slb dfp


def dfp(draft: Draft, statement: Statement) -> DfpDraft:
    draft.dfp = draft.dfp or DfpDraft()
    if "password" in statement.match:
        draft.dfp.password = plain_password(statement)
        draft.dfp.password_timeout = statement.match.get("TIMEOUT", DfpManager.password_timeout)
    return draft.dfp


def plain_password(statement: Statement) -> str:
    """The password of ``password [0|7] PASSWORD`` in plain text. Raises ValueError if it is not a DFP password."""
    text = decrypt(statement.match["PASSWORD"]) if "7" in statement.match else statement.match["PASSWORD"]
    try:
        return dfp_password(text)
    except ValueError as error:
        expected = f"expected 1 to {MAX_PASSWORD_LENGTH} printable ASCII characters"
        raise ValueError(f"not a DFP password: {error}; {expected}") from None


def no_dfp(draft: Draft, statement: Statement) -> None:
    if "password" not in statement.match:
        draft.dfp = None
    elif draft.dfp:
        draft.dfp.password, draft.dfp.password_timeout = None, DfpManager.password_timeout


def agent(dfp: DfpDraft, statement: Statement) -> None:
    match = statement.match
    key = (match["ADDRESS"], match["PORT"])
    if "no" not in match:
        dfp.lines[key] = statement.line
        dfp.agents[key] = DfpAgent(
            *key,
            match.get("TIMEOUT", DfpAgent.timeout),
            match.get("RETRY-COUNT", DfpAgent.retry_count),
            match.get("RETRY-INTERVAL", DfpAgent.retry_interval),
            match.get("REALS", DfpAgent.reals),
        )
    elif dfp.agents.pop(key, None) is None:
        statement.warning(f"there is no agent {key[0]} {key[1]} to remove")


# ip slb datapath


def datapath(draft: Draft, statement: Statement) -> None:
    """A further command with the same id changes the settings that it names, and leaves the others."""
    entry = _datapath(statement)
    named = {each.name: getattr(entry, each.name) for each in fields(Datapath)}
    settings = {name: value for name, value in named.items() if value not in (None, ())}
    draft.datapaths[entry.id] = replace(draft.datapaths.get(entry.id, entry), **settings)
    draft.datapath_lines[entry.id] = statement.line


def no_datapath(draft: Draft, statement: Statement) -> None:
    entry = _datapath(statement)
    found = draft.datapaths.get(entry.id)
    is_bare = entry == Datapath(entry.id)
    if found is None or (found != entry and not is_bare):
        what = "" if is_bare or found is None else " with these settings"
        statement.warning(f"there is no datapath {entry.id:016x}{what} to remove")
        return
    del draft.datapaths[entry.id], draft.datapath_lines[entry.id]
    if not draft.datapaths:
        statement.warning("no 'ip slb datapath' is left: every switch that connects is served")


def _datapath(statement: Statement) -> Datapath:
    """The datapath of a statement. The name in a certificate may have spaces; IOS text has one of them each time."""
    words = statement.match.get("CERTIFICATE")
    addresses = tuple(dict.fromkeys(statement.match.get("PEER", ())))
    switching = next((each for each in Switching if each.value in statement.match), None)
    certificate = None if words is None else " ".join(words)
    return Datapath(statement.match["DATAPATH"], addresses, certificate, switching, statement.match.get("RULES"))
