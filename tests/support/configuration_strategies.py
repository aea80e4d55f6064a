"""Arbitrary configurations that IOS has words for, and that pass the checks.

Strategies that do not depend on what was drawn are made once, here: to make them again for each example would take half
of the time of a property.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from hypothesis import strategies as st

from ryu_haslb.configuration.crypto_model import (
    AUTHENTICATIONS,
    CIPHERS,
    GROUPS,
    HASHES,
    AccessRule,
    Authentication,
    Crypto,
    CryptoMapEntry,
    IsakmpPolicy,
    Lifetime,
    PresharedKey,
    TransformSet,
)
from ryu_haslb.configuration.model import (
    MAX_PORT_NUMBER,
    MAX_SESSIONS,
    ClientRule,
    Configuration,
    Datapath,
    DfpAgent,
    DfpManager,
    Drain,
    Port,
    Predictor,
    Probe,
    ProbeKind,
    RealServer,
    Route,
    ServerFarm,
    StaticArp,
    StaticLocation,
    VirtualServer,
    VlanInterface,
)
from ryu_haslb.language.values import PORT_KINDS
from ryu_haslb.language.wording import MASK

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=15)
PORTS = st.integers(1, 65535)
REAL_ADDRESSES = st.integers(0x0A000001, 0x0AFFFFFE).map(IPv4Address)
VIRTUAL_ADDRESSES = st.integers(0x0B000001, 0x0BFFFFFE).map(IPv4Address)
HOST_MACS = st.integers(1, (1 << 40) - 1).map(lambda number: b"\x02" + number.to_bytes(5, "big"))
LOCATIONS = st.builds(
    StaticLocation,
    HOST_MACS,
    st.integers(1, MAX_PORT_NUMBER),
    st.none() | st.integers(1, 4094),
    st.none() | st.integers(1, (1 << 64) - 1),
)
NETWORKS = st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 32)).map(lambda pair: IPv4Network(pair, strict=False))
PASSWORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)

#: Words with one space between them, as the names in certificates that IOS text can have.
CERTIFICATE_NAMES = st.lists(NAMES, min_size=1, max_size=3).map(" ".join)
PORT_NAMES = st.tuples(st.sampled_from(PORT_KINDS), st.integers(0, 13).map(lambda slot: f"{slot}/1"))
MACS = st.binary(min_size=6, max_size=6).filter(lambda mac: any(mac) and not mac[0] & 1)
ARP_ENTRIES = st.builds(StaticArp, REAL_ADDRESSES, MACS, st.none() | PORT_NAMES)
PEERS = REAL_ADDRESSES | st.integers(1 << 120, (1 << 121) - 1).map(IPv6Address)
DATAPATHS = st.builds(
    Datapath,
    st.integers(0, (1 << 64) - 1),
    st.lists(PEERS, max_size=3, unique=True).map(tuple),
    st.none() | CERTIFICATE_NAMES,
    max_rules=st.none() | st.integers(1, MAX_SESSIONS),
)


SOURCES = st.integers(0x0C000001, 0x0CFFFFFE).map(IPv4Address)
PROBES = st.builds(
    Probe, NAMES, st.just(ProbeKind.PING), st.integers(1, 65535), st.integers(1, 255), st.none() | SOURCES
) | st.builds(
    Probe,
    NAMES,
    st.just(ProbeKind.IPMOBILE),
    st.integers(1, 65535),
    st.integers(1, 255),
    st.none() | SOURCES,
    NAMES.map(lambda name: f"{name.replace('@', 'a')}@example.org"),
)


def _reals(ports: st.SearchStrategy[int]) -> st.SearchStrategy[list[RealServer]]:
    real = st.builds(
        RealServer,
        REAL_ADDRESSES,
        st.none() | ports,
        weight=st.integers(0, 255),
        maxconns=st.none() | st.integers(1, 4294967295),
        faildetect_numconns=st.integers(1, 255),
        faildetect_numclients=st.integers(1, 8),
        reassign=st.integers(1, 4),
        retry=st.integers(0, 3600),
        in_service=st.booleans(),
        faildetect_inband=st.booleans(),
        drain=st.none() | st.sampled_from(Drain),
        locations=st.lists(LOCATIONS, max_size=2, unique_by=lambda location: location.datapath).map(tuple),
    )
    return st.lists(real, max_size=4, unique_by=lambda each: (each.address, each.port))


#: The real servers of a farm, by whether its mode is direct (``nat server``).
REALS = {False: _reals(st.just(434)), True: _reals(PORTS)}
PREDICTORS = st.sampled_from(Predictor)
CLIENT_RULES = st.lists(
    st.builds(ClientRule, NETWORKS, st.booleans()), max_size=3, unique_by=lambda rule: rule.network
).map(tuple)
SERVER_VLANS = st.none() | st.frozensets(st.integers(1, 4094), min_size=1, max_size=5)


@st.composite
def farms(draw: st.DrawFn, probes: list[str]) -> ServerFarm:
    nat_server = draw(st.booleans())
    members = draw(REALS[nat_server])
    chosen = draw(st.lists(st.sampled_from(probes), max_size=2, unique=True)) if probes else []
    return ServerFarm(draw(NAMES), nat_server, draw(PREDICTORS), tuple(members), tuple(chosen))


@st.composite
def virtual_servers(draw: st.DrawFn, farm_names: list[str]) -> VirtualServer:
    return VirtualServer(
        draw(NAMES),
        draw(VIRTUAL_ADDRESSES),
        draw(st.sampled_from(farm_names)),
        idle=draw(st.integers(1, 65535)),
        clients=draw(CLIENT_RULES),
        in_service=draw(st.booleans()),
        vlans=draw(SERVER_VLANS),
    )


VLANS = st.integers(1, 4094)
MAPS_IN_USE = st.none() | st.just("used")


@st.composite
def vlan_interfaces(draw: st.DrawFn) -> VlanInterface:
    address = draw(REAL_ADDRESSES)
    network = IPv4Network((address, draw(st.integers(8, 32))), strict=False)
    host = address if network.prefixlen >= 31 else network.network_address + 1
    return VlanInterface(draw(VLANS), host, network, draw(MAPS_IN_USE))


LABELS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
KEYS = LABELS.filter(lambda key: key != MASK)
SECONDS, KILOBYTES = st.integers(120, 2592000), st.integers(2560, 4294967295)
#: Any transform set that IOS takes: an AH, a cipher, and with a cipher a hash for ESP.
TRANSFORMS = st.tuples(
    st.none() | st.sampled_from([each for each in AUTHENTICATIONS if each.startswith("ah")]),
    st.sampled_from(CIPHERS),
    st.none() | st.sampled_from([each for each in AUTHENTICATIONS if each.startswith("esp")]),
).map(lambda chosen: tuple(each for each in chosen if each is not None))
TRANSFORM_SETS = st.lists(
    st.builds(TransformSet, LABELS, TRANSFORMS, st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each.name,
)
POLICIES = st.lists(
    st.builds(
        IsakmpPolicy,
        st.integers(2, 10000),
        st.sampled_from(Authentication),
        st.sampled_from(["des", "3des", "aes", "aes 128", "aes 192", "aes 256"]),
        st.sampled_from(list(HASHES)),
        st.sampled_from(list(GROUPS)),
        st.integers(60, 86400),
    ),
    max_size=2,
    unique_by=lambda each: each.priority,
)
ACCESS_LISTS = st.dictionaries(
    st.integers(101, 199),
    st.lists(st.builds(AccessRule, st.booleans(), NETWORKS, NETWORKS), min_size=1, max_size=2, unique=True),
    max_size=2,
)
PRESHARED_KEYS = st.lists(st.builds(PresharedKey, KEYS, NETWORKS), max_size=2, unique_by=lambda each: each.network)
LIFETIMES = st.builds(Lifetime, SECONDS, KILOBYTES)
MAYBE_GROUP = st.none() | st.sampled_from(list(GROUPS))
MAYBE_SECONDS, MAYBE_KILOBYTES, KEEPALIVES = (
    st.none() | SECONDS,
    st.none() | KILOBYTES,
    st.none() | st.integers(10, 3600),
)
MAYBE_ACCESS_LIST = st.none() | st.integers(100, 199)
ANYTHING = IPv4Network("0.0.0.0/0")


@st.composite
def cryptos(draw: st.DrawFn) -> Crypto:
    """All that a crypto map may refer to, and a map "used" that does, for an interface to use."""
    own, sets, lists, peer = draw(POLICIES), draw(TRANSFORM_SETS), draw(ACCESS_LISTS), draw(REAL_ADDRESSES)
    keys = [each for each in draw(PRESHARED_KEYS) if each.network != ANYTHING]
    entries = [
        CryptoMapEntry(
            "used",
            draw(st.integers(1, 65535)),
            (peer,),
            tuple(draw(st.lists(st.sampled_from([each.name for each in sets]), min_size=1, max_size=3, unique=True))),
            100,
            draw(MAYBE_GROUP),
            draw(MAYBE_SECONDS),
            draw(MAYBE_KILOBYTES),
        ),
        CryptoMapEntry("unused", 1, access_list=draw(MAYBE_ACCESS_LIST)),
    ]
    return Crypto(
        tuple(sorted([IsakmpPolicy(1, Authentication.PRE_SHARE), *own], key=lambda each: each.priority)),
        (PresharedKey(draw(KEYS), ANYTHING), *keys),
        tuple(sets),
        draw(LIFETIMES),
        tuple(sorted(entries, key=lambda each: (each.name, each.sequence))),
        (
            (100, (AccessRule(True, IPv4Network("10.0.0.1"), ANYTHING),)),
            *((number, tuple(lists[number])) for number in sorted(lists)),
        ),
        draw(KEEPALIVES),
    )


def _ports() -> st.SearchStrategy[list[Port]]:
    """Ports that say something. None is connected to a VLAN: the module that it would take is a test of its own."""
    kinds = st.sampled_from(["Ethernet", "FastEthernet", "GigabitEthernet", "TenGigabitEthernet"])
    numbers = st.lists(st.integers(0, 999), min_size=1, max_size=3).map(lambda parts: "/".join(map(str, parts)))
    interfaces = vlan_interfaces().map(lambda each: IPv4Interface((each.address, each.network.prefixlen)))
    own = (
        st.builds(Port, kinds, numbers, interfaces, MAPS_IN_USE)
        | st.builds(Port, kinds, numbers, allowed_vlans=st.frozensets(VLANS, max_size=20))
        | st.builds(Port, kinds, numbers, access_vlan=VLANS)
    )
    return st.lists(own, max_size=3, unique_by=lambda each: each.name)


PORT_LISTS = _ports()
AGENTS = st.lists(
    st.builds(
        DfpAgent,
        REAL_ADDRESSES,
        *(PORTS, PORTS, PORTS, PORTS),
        st.none() | st.lists(REAL_ADDRESSES, max_size=3, unique=True).map(tuple),
    ),
    max_size=3,
    unique_by=lambda agent: (agent.address, agent.port),
).map(tuple)
MANAGERS = (
    st.none() | st.builds(DfpManager, PASSWORDS, st.integers(0, 65535), AGENTS) | st.builds(DfpManager, agents=AGENTS)
)
PROBE_LISTS = st.lists(PROBES, max_size=2, unique_by=lambda each: each.name)
INTERFACES = st.lists(vlan_interfaces(), max_size=3, unique_by=lambda each: each.vlan)
ROUTES = st.lists(st.builds(Route, NETWORKS, REAL_ADDRESSES), max_size=3, unique=True)
DATAPATH_LISTS = st.lists(DATAPATHS, max_size=3, unique_by=lambda each: each.id)
ARP_LISTS = st.lists(ARP_ENTRIES, max_size=3, unique_by=lambda each: each.address)
MAYBE_LIMIT = st.none() | st.integers(1, MAX_SESSIONS)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    probes = draw(PROBE_LISTS)
    members = draw(st.lists(farms([each.name for each in probes]), max_size=3, unique_by=lambda farm: farm.name))
    servers: list[VirtualServer] = []
    if members:
        server = virtual_servers([farm.name for farm in members])
        unique = (lambda each: each.name, lambda each: each.address)
        servers = draw(st.lists(server, max_size=3, unique_by=unique))
    interfaces, routes = draw(INTERFACES), draw(ROUTES)
    if routes:  # dispatched mode does not cross a router, at any address of the farm's reals
        members = [replace(farm, nat_server=True) for farm in members]
    return Configuration(
        {farm.name: farm for farm in members},
        {server.name: server for server in servers},
        draw(MANAGERS),
        tuple(interfaces),
        tuple(routes),
        {each.id: each for each in draw(DATAPATH_LISTS)},
        tuple(draw(PORT_LISTS)),
        draw(cryptos()),
        draw(MAYBE_LIMIT),
        tuple(draw(ARP_LISTS)),
        {each.name: each for each in probes},
    )
