"""The configuration commands of the balancer, mode by mode."""

from __future__ import annotations

from ryu_haslb.configuration.ios import actions, crypto_commands, unimplemented
from ryu_haslb.configuration.ios.blocks import END, EXIT
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode
from ryu_haslb.mobile_ip.registration import MOBILE_IP_PORT

_LEAVE = (EXIT, END)

REAL = Mode(
    "config-slb-real",
    (
        Command("{weight WEIGHT<0-255> | no weight [WEIGHT<0-255>]}", actions.weight, "Share of new sessions (8)"),
        Command(
            "{maxconns CONNECTIONS<1-4294967295> | no maxconns [CONNECTIONS<1-4294967295>]}",
            actions.maxconns,
            "Sessions at once, after which it takes no new ones (no limit)",
        ),
        Command(
            "{faildetect numconns FAILURES<1-255> [numclients CLIENTS<1-8>] | no faildetect [LINE]}",
            actions.faildetect,
            "Consecutive failures, and clients that see them, before it counts as failed (8, 2)",
        ),
        Command(
            "{reassign THRESHOLD<1-4> | no reassign [THRESHOLD<1-4>]}", actions.reassign, "Retries before moving on (3)"
        ),
        Command(
            "{retry SECONDS<0-3600> | no retry [SECONDS<0-3600>]}", actions.retry, "Rest of a failed real (60; 0: ever)"
        ),
        Command("[no] inservice", actions.real_in_service, "Put it in service"),
        *unimplemented.REAL_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Undo a command"},
)

FARM = Mode(
    "config-slb-sfarm",
    (
        Command("[no] nat server", actions.nat_server, "Direct mode: rewrite the destination address (dispatched)"),
        Command(
            "{predictor {roundrobin | leastconns} | no predictor [LINE]}", actions.predictor, "How a real is chosen"
        ),
        Command("real ADDRESS [PORT<1-65535>]", actions.real, "A home agent", REAL),
        Command("no real ADDRESS [PORT<1-65535>]", actions.no_real, "Remove a home agent"),
        *unimplemented.FARM_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Undo a command"},
)

VIRTUAL_SERVER = Mode(
    "config-slb-vserver",
    (
        Command(
            f"{{virtual ADDRESS udp {MOBILE_IP_PORT} service ipmobile | no virtual [LINE]}}",
            actions.virtual,
            "The virtual home agent address",
        ),
        Command("{serverfarm NAME | no serverfarm [NAME]}", actions.vserver_farm, "The farm behind it"),
        Command(
            "{idle ipmobile request SECONDS<1-65535> | no idle ipmobile request [SECONDS<1-65535>]}",
            actions.idle,
            "Life of a session since its last request, in seconds (10)",
        ),
        Command("[no] client PREFIX MASK [exclude]", actions.client, "Clients that may use it, or may not (any may)"),
        Command("[no] inservice", actions.vserver_in_service, "Put it in service"),
        *unimplemented.VIRTUAL_SERVER_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Undo a command"},
)

DFP = Mode(
    "config-slb-dfp",
    (
        Command(
            "{agent ADDRESS PORT<1-65535> [TIMEOUT<0-65535> [RETRY-COUNT<0-65535> [RETRY-INTERVAL<1-65535>]]]"
            " | no agent ADDRESS PORT<1-65535> [LINE]}",
            actions.agent,
            "A DFP agent, its time-out, retries (0: for ever) and seconds between retries (0, 0, 180)",
        ),
        *_LEAVE,
    ),
    {"no": "Undo a command"},
)

VLAN = Mode(
    "config-if",
    (
        Command("ip address ADDRESS MASK", actions.vlan_address, "The balancer's address in this VLAN"),
        Command("no ip address [ADDRESS MASK]", actions.no_vlan_address, "Remove the address"),
        Command("[no] description [LINE]", actions.ignore, "A remark"),
        Command("no shutdown", actions.ignore, "VLAN interfaces are always up"),
        crypto_commands.CRYPTO_MAP_OF_VLAN,
        *crypto_commands.NEVER_DONE,
        *unimplemented.VLAN_COMMANDS,
        *_LEAVE,
    ),
    {"no": "Undo a command", "ip": "The interface's address"},
)

#: The commands that any IOS configuration may begin with and that mean nothing to this product.
PREAMBLE = (
    Command("version LINE", actions.ignore, "The version of IOS that wrote this file"),
    Command("hostname LINE", actions.ignore, "The name of this machine"),
)

GLOBAL = Mode(
    "config",
    (
        Command("ip slb serverfarm NAME", actions.serverfarm, "A farm of home agents", FARM),
        Command("no ip slb serverfarm NAME", actions.no_serverfarm, "Remove a farm"),
        Command("ip slb vserver NAME", actions.vserver, "A virtual server", VIRTUAL_SERVER),
        Command("no ip slb vserver NAME", actions.no_vserver, "Remove a virtual server"),
        Command("ip slb dfp [password [0|7] PASSWORD [TIMEOUT<0-65535>]]", actions.dfp, "The DFP manager", DFP),
        Command("no ip slb dfp [password]", actions.no_dfp, "Remove the DFP manager, or its password"),
        Command("interface Vlan VLAN<1-4094>", actions.vlan, "The balancer's interface in a VLAN", VLAN),
        Command("no interface Vlan VLAN<1-4094>", actions.no_vlan, "Remove an interface"),
        Command("[no] ip route PREFIX MASK NEXT-HOP", actions.route, "How a real that is not adjacent is reached"),
        *crypto_commands.COMMANDS,
        *PREAMBLE,
        *unimplemented.CRYPTO_COMMANDS,
        *unimplemented.GLOBAL_COMMANDS,
        *_LEAVE,
    ),
    {
        "ip": "Server load balancing and routes",
        "slb": "Server load balancing",
        "crypto": "IPsec",
        "isakmp": "IKE, by which peers agree",
        "ipsec": "What protects traffic",
        "no": "Undo a command",
    },
)
