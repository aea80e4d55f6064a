"""Arbitrary configurations that IOS has words for, and that pass the checks."""

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


def reals(nat_server: bool) -> st.SearchStrategy[RealServer]:
    return st.builds(
        RealServer,
        REAL_ADDRESSES,
        st.none() | (PORTS if nat_server else st.just(434)),
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


@st.composite
def farms(draw: st.DrawFn, probes: list[str]) -> ServerFarm:
    nat_server = draw(st.booleans())
    members = draw(st.lists(reals(nat_server), max_size=4, unique_by=lambda real: (real.address, real.port)))
    chosen = draw(st.lists(st.sampled_from(probes), max_size=2, unique=True)) if probes else []
    return ServerFarm(draw(NAMES), nat_server, draw(st.sampled_from(Predictor)), tuple(members), tuple(chosen))


@st.composite
def virtual_servers(draw: st.DrawFn, farm_names: list[str]) -> VirtualServer:
    rules = st.builds(ClientRule, NETWORKS, st.booleans())
    return VirtualServer(
        draw(NAMES),
        draw(VIRTUAL_ADDRESSES),
        draw(st.sampled_from(farm_names)),
        idle=draw(st.integers(1, 65535)),
        clients=tuple(draw(st.lists(rules, max_size=3, unique_by=lambda rule: rule.network))),
        in_service=draw(st.booleans()),
        vlans=draw(st.none() | st.frozensets(st.integers(1, 4094), min_size=1, max_size=5)),
    )


@st.composite
def vlan_interfaces(draw: st.DrawFn) -> VlanInterface:
    address = draw(REAL_ADDRESSES)
    network = IPv4Network((address, draw(st.integers(8, 32))), strict=False)
    host = address if network.prefixlen >= 31 else network.network_address + 1
    return VlanInterface(draw(st.integers(1, 4094)), host, network, draw(st.none() | st.just("used")))


LABELS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
KEYS = LABELS.filter(lambda key: key != MASK)
SECONDS, KILOBYTES = st.integers(120, 2592000), st.integers(2560, 4294967295)
#: Any transform set that IOS takes: an AH, a cipher, and with a cipher a hash for ESP.
TRANSFORMS = st.tuples(
    st.none() | st.sampled_from([each for each in AUTHENTICATIONS if each.startswith("ah")]),
    st.sampled_from(CIPHERS),
    st.none() | st.sampled_from([each for each in AUTHENTICATIONS if each.startswith("esp")]),
).map(lambda chosen: tuple(each for each in chosen if each is not None))


@st.composite
def cryptos(draw: st.DrawFn) -> Crypto:
    """All that a crypto map may refer to, and a map "used" that does, for an interface to use."""
    policies = st.builds(
        IsakmpPolicy,
        st.integers(2, 10000),
        st.sampled_from(Authentication),
        st.sampled_from(["des", "3des", "aes", "aes 128", "aes 192", "aes 256"]),
        st.sampled_from(list(HASHES)),
        st.sampled_from(list(GROUPS)),
        st.integers(60, 86400),
    )
    own = draw(st.lists(policies, max_size=2, unique_by=lambda each: each.priority))
    sets = draw(
        st.lists(
            st.builds(TransformSet, LABELS, TRANSFORMS, st.booleans()),
            min_size=1,
            max_size=3,
            unique_by=lambda each: each.name,
        )
    )
    rules = st.builds(AccessRule, st.booleans(), NETWORKS, NETWORKS)
    anything = IPv4Network("0.0.0.0/0")
    lists = draw(
        st.dictionaries(st.integers(101, 199), st.lists(rules, min_size=1, max_size=2, unique=True), max_size=2)
    )
    peer = draw(REAL_ADDRESSES)
    keys = draw(st.lists(st.builds(PresharedKey, KEYS, NETWORKS), max_size=2, unique_by=lambda each: each.network))
    keys = [each for each in keys if each.network != anything]
    entries = [
        CryptoMapEntry(
            "used",
            draw(st.integers(1, 65535)),
            (peer,),
            tuple(draw(st.lists(st.sampled_from([each.name for each in sets]), min_size=1, max_size=3, unique=True))),
            100,
            draw(st.none() | st.sampled_from(list(GROUPS))),
            draw(st.none() | SECONDS),
            draw(st.none() | KILOBYTES),
        ),
        CryptoMapEntry("unused", 1, access_list=draw(st.none() | st.integers(100, 199))),
    ]
    return Crypto(
        tuple(sorted([IsakmpPolicy(1, Authentication.PRE_SHARE), *own], key=lambda each: each.priority)),
        (PresharedKey(draw(KEYS), anything), *keys),
        tuple(sets),
        draw(st.builds(Lifetime, SECONDS, KILOBYTES)),
        tuple(sorted(entries, key=lambda each: (each.name, each.sequence))),
        (
            (100, (AccessRule(True, IPv4Network("10.0.0.1"), anything),)),
            *((number, tuple(lists[number])) for number in sorted(lists)),
        ),
        draw(st.none() | st.integers(10, 3600)),
    )


@st.composite
def ports(draw: st.DrawFn) -> list[Port]:
    """Ports that say something. None is connected to a VLAN: the module that it would take is a test of its own."""
    kinds = st.sampled_from(["Ethernet", "FastEthernet", "GigabitEthernet", "TenGigabitEthernet"])
    numbers = st.lists(st.integers(0, 999), min_size=1, max_size=3).map(lambda parts: "/".join(map(str, parts)))
    interfaces = vlan_interfaces().map(lambda each: IPv4Interface((each.address, each.network.prefixlen)))
    vlans = st.frozensets(st.integers(1, 4094), max_size=20)
    own = (
        st.builds(Port, kinds, numbers, interfaces, st.none() | st.just("used"))
        | st.builds(Port, kinds, numbers, allowed_vlans=vlans)
        | st.builds(Port, kinds, numbers, access_vlan=st.integers(1, 4094))
    )
    return draw(st.lists(own, max_size=3, unique_by=lambda each: each.name))


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    probes = draw(st.lists(PROBES, max_size=2, unique_by=lambda each: each.name))
    members = draw(st.lists(farms([each.name for each in probes]), max_size=3, unique_by=lambda farm: farm.name))
    servers: list[VirtualServer] = []
    if members:
        server = virtual_servers([farm.name for farm in members])
        unique = (lambda each: each.name, lambda each: each.address)
        servers = draw(st.lists(server, max_size=3, unique_by=unique))
    agents = st.builds(
        DfpAgent,
        REAL_ADDRESSES,
        *(PORTS, PORTS, PORTS, PORTS),
        st.none() | st.lists(REAL_ADDRESSES, max_size=3, unique=True).map(tuple),
    )
    agent_lists = st.lists(agents, max_size=3, unique_by=lambda agent: (agent.address, agent.port)).map(tuple)
    managers = st.builds(DfpManager, PASSWORDS, st.integers(0, 65535), agent_lists) | st.builds(
        DfpManager, agents=agent_lists
    )
    interfaces = draw(st.lists(vlan_interfaces(), max_size=3, unique_by=lambda each: each.vlan))
    routes = draw(st.lists(st.builds(Route, NETWORKS, REAL_ADDRESSES), max_size=3, unique=True))
    if routes:  # dispatched mode does not cross a router, at any address of the farm's reals
        members = [replace(farm, nat_server=True) for farm in members]
    return Configuration(
        {farm.name: farm for farm in members},
        {server.name: server for server in servers},
        draw(st.none() | managers),
        tuple(interfaces),
        tuple(routes),
        {each.id: each for each in draw(st.lists(DATAPATHS, max_size=3, unique_by=lambda each: each.id))},
        tuple(draw(ports())),
        draw(cryptos()),
        draw(st.none() | st.integers(1, MAX_SESSIONS)),
        tuple(draw(st.lists(ARP_ENTRIES, max_size=3, unique_by=lambda each: each.address))),
        {each.name: each for each in probes},
    )
