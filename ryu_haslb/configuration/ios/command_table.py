"""The configuration commands of the balancer, mode by mode."""

from __future__ import annotations

from ryu_haslb.configuration.ios import (
    actions,
    arp_actions,
    crypto_commands,
    network_actions,
    probe_actions,
    unimplemented,
)
from ryu_haslb.configuration.ios.blocks import END, EXIT
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode
from ryu_haslb.configuration.model import (
    DFP_PASSWORD_TIMEOUT,
    MAX_PORT_NUMBER,
    MAX_SESSIONS,
    PROBE_DEFAULTS,
    PROBE_NAI,
    DfpAgent,
    RealServer,
    VirtualServer,
)
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

_LEAVE = (EXIT, END)
_DATAPATH = (
    f"DATAPATH [switching {{normal | learn | none}}] [max-rules RULES<1-{MAX_SESSIONS}>]"
    " [address PEER...] [certificate CERTIFICATE...]"
)
_VIRTUAL = f"ADDRESS [255.255.255.255] udp {MOBILE_IP_PORT} service ipmobile"
# Releases differ in whether tag and name come before all others or behind them.
_ROUTE_OPTIONS = (
    "[DISTANCE<1-255>] [tag TAG<1-4294967295>] [name TEXT] [permanent] [track TRACK<1-1000>]"
    " [name TEXT] [permanent] [tag LAST-TAG<1-4294967295>] [name TEXT]"
)


def _probe_defaults(which: int) -> str:
    return ", ".join(f"{kind.value} {defaults[which]}" for kind, defaults in PROBE_DEFAULTS.items())


REAL = Mode(
    "config-slb-real",
    (
        Command(
            "{weight WEIGHT<0-255> | no weight [WEIGHT<0-255>]}",
            actions.weight,
            f"Share of new sessions, relative to the other reals (default {RealServer.weight})",
        ),
        Command(
            "{maxconns CONNECTIONS<1-4294967295> [sticky-override]"
            " | no maxconns [CONNECTIONS<1-4294967295> [sticky-override]]}",
            actions.maxconns,
            "Maximum number of concurrent sessions (default: no limit)",
        ),
        Command(
            "{faildetect numconns FAILURES<1-255> [numclients CLIENTS<1-8>]"
            " | no faildetect [numconns [FAILURES<1-255> [numclients CLIENTS<1-8>]]]}",
            actions.faildetect,
            "Consecutive failures, and clients that see them, before the real fails "
            f"(default {RealServer.faildetect_numconns}, {RealServer.faildetect_numclients})",
        ),
        Command(
            "[no] faildetect inband",
            actions.faildetect_inband,
            "Detect failures from requests without reply (default on; 'no' ignores numconns)",
        ),
        Command(
            "{reassign THRESHOLD<1-4> | no reassign [THRESHOLD<1-4>]}",
            actions.reassign,
            f"Unanswered retries before a session moves to another real (default {RealServer.reassign})",
        ),
        Command(
            "{retry SECONDS<0-3600> | no retry [SECONDS<0-3600>]}",
            actions.retry,
            f"Seconds before a failed real is retried (default {RealServer.retry}, 0 = never)",
        ),
        Command("[no] inservice", actions.real_in_service, "Place the real in service"),
        Command(
            "{drain [move] | no drain [move]}",
            actions.drain,
            "Accept no new sessions; existing ones stay until they end, with 'move' until their next request",
        ),
        Command(
            f"location MAC PORT<1-{MAX_PORT_NUMBER}> [vlan VLAN<1-4094>] [datapath DATAPATH]",
            actions.location,
            "Next hop: Ethernet address, OpenFlow port, tag, and the switch (default: every switch)",
        ),
        Command(
            f"no location [MAC PORT<1-{MAX_PORT_NUMBER}> [vlan VLAN<1-4094>]] [datapath DATAPATH]",
            actions.no_location,
            "Find the next hop by ARP",
        ),
        *unimplemented.REAL_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Negate a command or set its defaults"},
)

FARM = Mode(
    "config-slb-sfarm",
    (
        Command(
            "[no] nat server",
            actions.nat_server,
            "Direct mode: rewrite the destination IP address (default: dispatched mode)",
        ),
        Command(
            "{predictor {roundrobin | leastconns} | no predictor [roundrobin | leastconns]}",
            actions.predictor,
            "Load-balancing algorithm (default roundrobin)",
        ),
        Command("probe NAME", probe_actions.farm_probe, "Probe that checks the health of each real"),
        Command("no probe [NAME]", probe_actions.no_farm_probe, "Remove a probe from the farm"),
        Command("real ADDRESS [PORT<1-65535>]", actions.real, "Real server: a home agent", REAL),
        Command("no real ADDRESS [PORT<1-65535>]", actions.no_real, "Remove a real server"),
        *unimplemented.FARM_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Negate a command or set its defaults"},
)

_COMMON_OF_PROBES = (
    Command(
        "{interval SECONDS<1-65535> | no interval [SECONDS<1-65535>]}",
        probe_actions.interval,
        f"Seconds between two probes of a real (default: {_probe_defaults(0)})",
    ),
    Command(
        "{faildetect COUNT<1-255> | no faildetect [COUNT<1-255>]}",
        probe_actions.faildetect,
        f"Consecutive unanswered probes before the real fails (default: {_probe_defaults(1)})",
    ),
    Command(
        "{source ADDRESS | no source [ADDRESS]}",
        probe_actions.source,
        "Source address of the probes, held by no other machine (default: in direct mode the virtual address)",
    ),
)

PING_PROBE = Mode(
    "config-slb-probe",
    (*_COMMON_OF_PROBES, *unimplemented.PROBE_COMMANDS, *_LEAVE),
    {"no": "Negate a command or set its defaults"},
)

IPMOBILE_PROBE = Mode(
    "config-slb-probe",
    (
        *_COMMON_OF_PROBES,
        Command(
            "{nai NAI | no nai [NAI]}",
            probe_actions.nai,
            f"NAI in the probes (default {PROBE_NAI}, which no mobile has)",
        ),
        *_LEAVE,
    ),
    {"no": "Negate a command or set its defaults"},
)

VIRTUAL_SERVER = Mode(
    "config-slb-vserver",
    (
        Command(
            f"{{virtual {_VIRTUAL} | no virtual [{_VIRTUAL}]}}",
            actions.virtual,
            "Virtual home agent address",
        ),
        Command(
            "virtual ADDRESS [255.255.255.255 | MASK] {tcp | udp | esp | gre | PROTOCOL-NUMBER<0-255>} [LINE]",
            actions.other_virtual,
            "A virtual server of another service, which is ignored with a warning",
        ),
        Command(
            "serverfarm NAME {backup | map} LINE",
            actions.vserver_farm_without_backup,
            "The first server farm; what follows is ignored with a warning",
        ),
        Command(
            "[no] inservice standby LINE",
            actions.in_service_on_standby,
            "In service in every state of the standby group, with a warning",
        ),
        Command("{serverfarm NAME | no serverfarm [NAME]}", actions.vserver_farm, "Server farm of the virtual server"),
        Command(
            "{idle ipmobile request SECONDS<1-65535> | no idle ipmobile request [SECONDS<1-65535>]}",
            actions.idle,
            f"Seconds without a request before a session ends (default {VirtualServer.idle})",
        ),
        Command(
            "[no] client PREFIX MASK [exclude]",
            actions.client,
            "Clients that may use the virtual server, or may not (default: any may)",
        ),
        Command(
            "{client vlan VLANS | no client vlan [VLANS]}",
            actions.vserver_vlans,
            "VLANs in which it is served (default: those of the client networks, else every VLAN)",
        ),
        Command("[no] inservice", actions.vserver_in_service, "Place the virtual server in service"),
        *unimplemented.VIRTUAL_SERVER_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Negate a command or set its defaults"},
)

_AGENT = "ADDRESS PORT<1-65535> [TIMEOUT<0-65535> [RETRY-COUNT<0-65535> [RETRY-INTERVAL<1-65535>]]]"
DFP = Mode(
    "config-slb-dfp",
    (
        Command(
            f"agent {_AGENT} [real REALS]",
            actions.agent,
            "DFP agent: timeout (0 = none), retries (0 = unlimited), seconds between retries "
            f"(default {DfpAgent.timeout}, {DfpAgent.retry_count}, {DfpAgent.retry_interval})",
        ),
        Command(f"no agent {_AGENT}", actions.agent, "Remove a DFP agent"),
        *_LEAVE,
    ),
    {
        "no": "Negate a command or set its defaults",
        "real": "Real servers whose weight it may set, beside its own address",
    },
)

VLAN = Mode(
    "config-if",
    (
        Command(
            "ip address ADDRESS MASK",
            network_actions.vlan_address,
            "IP address of the balancer in this VLAN, and network mask",
        ),
        Command(
            "[no] ip address ADDRESS MASK secondary",
            network_actions.secondary_address,
            "A further address in this VLAN, and its network",
        ),
        Command("no ip address [ADDRESS MASK]", network_actions.no_vlan_address, "Remove the IP address"),
        Command("[no] description [LINE]", actions.ignore, "Description of the interface"),
        Command("no shutdown", actions.ignore, "Accepted without effect: VLAN interfaces are always up"),
        crypto_commands.CRYPTO_MAP_OF_VLAN,
        *crypto_commands.NEVER_DONE,
        *unimplemented.VLAN_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Negate a command or set its defaults", "ip": "Interface IP configuration"},
)

#: Commands at the head of IOS configurations that have no effect here.
PREAMBLE = (
    Command("version LINE", actions.ignore, "IOS version that wrote this file"),
    Command("hostname LINE", actions.ignore, "Name of this system"),
)

GLOBAL = Mode(
    "config",
    (
        Command("ip slb serverfarm NAME", actions.serverfarm, "Server farm: the home agents of a virtual server", FARM),
        Command("no ip slb serverfarm NAME", actions.no_serverfarm, "Remove a server farm"),
        Command("ip slb vserver NAME", actions.vserver, "Virtual server", VIRTUAL_SERVER),
        Command("no ip slb vserver NAME", actions.no_vserver, "Remove a virtual server"),
        Command(
            "ip slb probe NAME ping", probe_actions.probe, "Probe by ICMP echo: shows that the host is up", PING_PROBE
        ),
        Command(
            "ip slb probe NAME ipmobile",
            probe_actions.probe,
            "Probe by a Registration Request that no home agent accepts: shows that the home agent process is up",
            IPMOBILE_PROBE,
        ),
        Command(
            "ip slb probe NAME {custom udp | dns | http | tcp | wsp}",
            probe_actions.other_probe,
            "A probe of another kind, which is ignored with a warning",
            unimplemented.OTHER_PROBE,
        ),
        Command(
            "no ip slb probe NAME [ping | ipmobile | custom udp | dns | http | tcp | wsp]",
            probe_actions.no_probe,
            "Remove a probe",
        ),
        Command(
            "ip slb dfp [password [0|7] PASSWORD [TIMEOUT<0-65535>]]",
            actions.dfp,
            f"DFP manager, its password and password timeout in seconds (default {DFP_PASSWORD_TIMEOUT})",
            DFP,
        ),
        Command(
            "no ip slb dfp [password [[0|7] PASSWORD [TIMEOUT<0-65535>]]]",
            actions.no_dfp,
            "Remove the DFP manager, or its password",
        ),
        Command(
            f"{{ip slb entries [conn] INITIAL<1-{MAX_SESSIONS}> [MAXIMUM<1-{MAX_SESSIONS}>]"
            f" | no ip slb entries [conn] [INITIAL<1-{MAX_SESSIONS}> [MAXIMUM<1-{MAX_SESSIONS}>]]}}",
            actions.entries,
            "Sessions: initial number (without effect), and the maximum (default: by maxconns and memory)",
        ),
        Command(
            f"ip slb datapath {_DATAPATH}",
            actions.datapath,
            "Switch that may connect (default: any): forwarding, limit of rules, addresses, name in TLS certificate",
        ),
        Command(
            f"no ip slb datapath {_DATAPATH}",
            actions.no_datapath,
            "Remove a switch from those that may connect",
        ),
        Command("interface Vlan VLAN<1-4094>", network_actions.vlan, "Interface of the balancer in a VLAN", VLAN),
        Command("no interface Vlan VLAN<1-4094>", network_actions.no_vlan, "Remove a VLAN interface"),
        Command(
            f"ip route PREFIX MASK [EXIT-INTERFACE] NEXT-HOP {_ROUTE_OPTIONS}",
            network_actions.route,
            "Static route to reals that are not adjacent",
        ),
        Command(
            f"no ip route PREFIX MASK [EXIT-INTERFACE] [NEXT-HOP {_ROUTE_OPTIONS}]",
            network_actions.no_route,
            "Remove a static route",
        ),
        Command(
            "arp ADDRESS MAC arpa [PORT-OR-VLAN] [alias]",
            arp_actions.arp,
            "Static ARP entry of a real or a next hop: its Ethernet address, and the port or VLAN where it is",
        ),
        Command("no arp ADDRESS [MAC [arpa [PORT-OR-VLAN] [alias]]]", arp_actions.no_arp, "Remove a static ARP entry"),
        *crypto_commands.COMMANDS,
        *PREAMBLE,
        *unimplemented.CRYPTO_COMMANDS,
        *unimplemented.GLOBAL_COMMANDS,
        *_LEAVE,
    ),
    {
        "ip": "Server load balancing and static routes",
        "probe": "Probes: health checks of real servers",
        "custom": "Not implemented",
        "dns": "Not implemented",
        "http": "Not implemented",
        "tcp": "Not implemented",
        "wsp": "Not implemented",
        "slb": "Server load balancing",
        "crypto": "IPsec",
        "isakmp": "IKE policies, keys and keepalives",
        "ipsec": "IPsec transform sets and lifetimes",
        "map": "Crypto map entries: what is protected, with which peer",
        "interface": "VLAN interface or port",
        "arp": "Static ARP entries",
        "arpa": "Ethernet",
        "alias": "Not implemented: ARP for the address is not answered",
        "access-list": "IP access list",
        "NUMBER": "Number of the access list",
        "DATAPATH": "Datapath id of the switch: 16 hexadecimal digits, or a decimal number",
        "address": "Addresses of the other end",
        "switching": "How the switch forwards what does not concern the balancer (default: detected)",
        "max-rules": "Limit of session rules on the switch (default: what it reports or accepts)",
        "RULES": "Number of session rules",
        "normal": "By itself (port NORMAL)",
        "learn": "By a learning table that the balancer installs",
        "none": "By the rules of another controller",
        "PEER": "Address that the switch may connect from (default: any)",
        "certificate": "Name in the switch's TLS certificate: common name or subjectAltName",
        "CERTIFICATE": "The name, which may have spaces",
        "permit": "Traffic to protect",
        "deny": "Traffic not to protect",
        "no": "Negate a command or set its defaults",
    },
)
