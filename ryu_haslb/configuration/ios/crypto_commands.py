"""The commands of IPsec and of ports, mode by mode. The balancer and PDSNs have the same."""

from __future__ import annotations

from ryu_haslb.configuration.crypto_model import AUTHENTICATIONS, CIPHERS, COMPRESSION, GROUPS, HASHES
from ryu_haslb.configuration.ios import crypto_actions as actions
from ryu_haslb.configuration.ios import port_actions, unimplemented
from ryu_haslb.configuration.ios.actions import ignore
from ryu_haslb.configuration.ios.blocks import END, EXIT
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode
from ryu_haslb.configuration.ios.network_actions import vlan_crypto_map

_LEAVE = (EXIT, END)
_NO = {"no": "Negate a command or set its defaults"}

_GROUPS = " | ".join(str(group) for group in GROUPS)
_HASHES = " | ".join(HASHES)
_PFS_GROUPS = " | ".join(f"group{group}" for group in GROUPS)
_SINGLE = [each for each in (*CIPHERS, *AUTHENTICATIONS, COMPRESSION) if " " not in each and each != "esp-aes"]
_TRANSFORM = "{" + " | ".join([*_SINGLE, "esp-aes [128 | 192 | 256]"]) + "}"
_TRANSFORMS = f"{_TRANSFORM} [{_TRANSFORM} [{_TRANSFORM} [{_TRANSFORM}]]]"
_PORT = "{Ethernet | FastEthernet | GigabitEthernet | TenGigabitEthernet} PORT-NUMBER"
_SECONDS = "SECONDS<120-2592000>"
_KILOBYTES = "KILOBYTES<2560-4294967295>"
_LIFETIME = f"{{seconds {_SECONDS} | kilobytes {_KILOBYTES}}}"
_NO_LIFETIME = f"{{seconds [{_SECONDS}] | kilobytes [{_KILOBYTES}]}}"

#: These functions do not exist here, so that `no` has no effect. `unreachable` is the spelling of the chapter.
NEVER_DONE = (
    Command("no ip {redirects | unreachable | unreachables}", ignore, "Accepted without effect: none is ever sent"),
    Command("no mop enabled", ignore, "Accepted without effect: there is no MOP"),
)

POLICY = Mode(
    "config-isakmp",
    (
        Command(
            "{authentication {pre-share | rsa-sig | rsa-encr} | no authentication [pre-share | rsa-sig | rsa-encr]}",
            actions.authentication,
            "Authentication of the peers (default rsa-sig; only pre-share is implemented)",
        ),
        Command(
            "{encryption {des | 3des | aes [128 | 192 | 256]} | no encryption [des | 3des | aes [128 | 192 | 256]]}",
            actions.encryption,
            "Encryption algorithm (default des)",
        ),
        Command(
            f"{{hash {{{_HASHES}}} | no hash [{_HASHES}]}}", actions.hash_algorithm, "Hash algorithm (default sha)"
        ),
        Command(f"{{group {{{_GROUPS}}} | no group [{_GROUPS}]}}", actions.group, "Diffie-Hellman group (default 1)"),
        Command(
            "{lifetime SECONDS<60-86400> | no lifetime [SECONDS<60-86400>]}",
            actions.policy_lifetime,
            "Seconds that an ISAKMP security association lives (default 86400)",
        ),
        *_LEAVE,
    ),
    _NO,
)

TRANSFORM_SET = Mode(
    "cfg-crypto-trans",
    (
        Command(
            "{mode {tunnel | transport} | no mode [tunnel | transport]}",
            actions.mode,
            "Encapsulation mode (default tunnel)",
        ),
        *_LEAVE,
    ),
    _NO,
)

CRYPTO_MAP = Mode(
    "config-crypto-map",
    (
        Command(
            "{set peer ADDRESS [default] | no set peer [ADDRESS [default]]}",
            actions.peer,
            "IP address of the IPsec peer",
        ),
        Command(
            "{set transform-set LABELS | no set transform-set [LABELS]}",
            actions.map_transform_sets,
            "Transform sets in order of preference",
        ),
        Command(
            f"{{set pfs [{_PFS_GROUPS}] | no set pfs [{_PFS_GROUPS}]}}",
            actions.pfs,
            "Perfect forward secrecy and its Diffie-Hellman group (default none; group1 without a group)",
        ),
        Command(
            f"{{set security-association lifetime {_LIFETIME} | no set security-association lifetime {_NO_LIFETIME}}}",
            actions.map_lifetime,
            "Lifetime of security associations (default: the global lifetime)",
        ),
        Command(
            "{match address LIST | no match address [LIST]}",
            actions.match_address,
            "Access list of the traffic to protect",
        ),
        Command("[no] description [LINE]", ignore, "Description of the crypto map entry"),
        *unimplemented.CRYPTO_MAP_COMMANDS,
        *_LEAVE,
    ),
    {**_NO, "set": "Peer, transform sets, PFS group and lifetime"},
)

CRYPTO_MAP_OF_VLAN = Command(
    "{crypto map LABEL | no crypto map [LABEL]}",
    vlan_crypto_map,
    "Crypto map that protects the traffic of the interface",
)

PORT = Mode(
    "config-if",
    (
        Command(
            "{ip address ADDRESS MASK | no ip address [ADDRESS MASK]}",
            port_actions.port_address,
            "IP address of the port, and network mask",
        ),
        Command(
            "{crypto map LABEL | no crypto map [LABEL]}",
            port_actions.port_crypto_map,
            "Crypto map that protects the traffic of the port",
        ),
        Command(
            "{crypto connect vlan VLAN<1-4094> | no crypto connect vlan [VLAN<1-4094>]}",
            port_actions.crypto_connect,
            "Inside VLAN to which the IPsec module connects the port",
        ),
        Command(
            "{switchport trunk allowed vlan {VLANS | {add | remove | except} VLANS | all | none}"
            " | no switchport trunk allowed vlan}",
            port_actions.allowed_vlans,
            "VLANs that the trunk carries (default all)",
        ),
        Command(
            "{switchport access vlan VLAN<1-4094> | no switchport access vlan [VLAN<1-4094>]}",
            port_actions.access_vlan,
            "VLAN of an access port, whose frames have no tag",
        ),
        Command("[no] switchport", ignore, "Accepted without effect: a switched or routed port"),
        Command(
            "[no] switchport trunk encapsulation [dot1q]", ignore, "Accepted without effect: trunks always use 802.1Q"
        ),
        Command(
            "[no] switchport mode [{trunk | access | dynamic [LINE]}]",
            ignore,
            "Accepted without effect: a port with allowed VLANs is a trunk",
        ),
        Command("[no] description [LINE]", ignore, "Description of the port"),
        Command("no shutdown", ignore, "Accepted without effect: ports are always up"),
        *NEVER_DONE,
        *unimplemented.PORT_COMMANDS,
        *_LEAVE,
    ),
    {
        **_NO,
        "crypto": "IPsec",
        "ip": "Port IP configuration",
        "switchport": "VLANs of the port",
        "trunk": "VLANs of the trunk",
    },
)

_ADDRESSES = (
    "{any | host SOURCE-HOST | SOURCE SOURCE-WILDCARD} {any | host DESTINATION-HOST | DESTINATION DESTINATION-WILDCARD}"
)

ACCESS_LIST = Mode(
    "config-ext-nacl",
    (
        Command(
            f"[SEQUENCE<1-2147483647>] {{permit | deny}} ip {_ADDRESSES} [LINE]",
            actions.named_rule,
            "Permit or deny IP traffic between addresses",
        ),
        Command(
            "[SEQUENCE<1-2147483647>] {{permit | deny | evaluate} PROTOCOL | dynamic} [LINE]",
            actions.other_named_rule,
            "Rule of another protocol: ignored, and refused in the access list of a crypto map",
        ),
        Command(f"no {{permit | deny}} ip {_ADDRESSES}", actions.no_named_rule, "Remove a rule"),
        Command("no SEQUENCE<1-2147483647>", actions.no_sequence, "Remove the rule with this number"),
        Command("[no] [SEQUENCE<1-2147483647>] remark [LINE]", ignore, "Comment of the access list"),
        *_LEAVE,
    ),
    _NO,
)

COMMANDS = (
    Command(
        "crypto isakmp policy PRIORITY<1-10000>",
        actions.policy,
        "ISAKMP policy; the lowest priority number is preferred",
        POLICY,
    ),
    Command("no crypto isakmp policy PRIORITY<1-10000>", actions.no_policy, "Remove an ISAKMP policy"),
    Command(
        "crypto isakmp key [0|6] KEY address PREFIX [MASK] [no-xauth]",
        actions.key,
        "Pre-shared key of a peer or of a network of peers",
    ),
    Command(
        "no crypto isakmp key [0|6] KEY address PREFIX [MASK] [no-xauth]", actions.no_key, "Remove a pre-shared key"
    ),
    Command(
        "{crypto isakmp keepalive SECONDS<10-3600> [RETRY<2-60>] [periodic | on-demand]"
        " | no crypto isakmp keepalive [SECONDS<10-3600> [RETRY<2-60>] [periodic | on-demand]]}",
        actions.keepalive,
        "Seconds of silence before dead peer detection asks the peer (default 2)",
    ),
    Command(
        f"crypto ipsec transform-set LABEL {_TRANSFORMS}",
        actions.transform_set,
        "Transform set: how traffic is protected",
        TRANSFORM_SET,
    ),
    Command(f"no crypto ipsec transform-set LABEL [{_TRANSFORMS}]", actions.no_transform_set, "Remove a transform set"),
    Command(
        f"{{crypto ipsec security-association lifetime {_LIFETIME}"
        f" | no crypto ipsec security-association lifetime {_NO_LIFETIME}}}",
        actions.lifetime,
        "Lifetime of security associations (default 3600 seconds, 4608000 kilobytes)",
    ),
    Command(
        "crypto map LABEL SEQUENCE<1-65535> [ipsec-isakmp]",
        actions.crypto_map,
        "Crypto map entry: what is protected, with which peer",
        CRYPTO_MAP,
    ),
    Command(
        "no crypto map LABEL [SEQUENCE<1-65535> [ipsec-isakmp]]",
        actions.no_crypto_map,
        "Remove a crypto map or one of its entries",
    ),
    Command(
        f"access-list NUMBER<100-199> {{permit | deny}} ip {_ADDRESSES} [LINE]",
        actions.access_rule,
        "Permit or deny IP traffic between addresses",
    ),
    Command(
        "access-list NUMBER<100-199> {permit | deny} PROTOCOL [LINE]",
        actions.other_access_rule,
        "Rule of another protocol: ignored, and refused in the access list of a crypto map",
    ),
    Command("access-list NUMBER<100-199> remark [LINE]", ignore, "Comment of the access list"),
    Command("ip access-list extended LIST", actions.named_access_list, "Extended access list", ACCESS_LIST),
    Command("no ip access-list extended LIST", actions.no_named_access_list, "Remove an extended access list"),
    Command("no access-list NUMBER<100-199>", actions.no_access_list, "Remove an access list"),
    Command(
        "no access-list NUMBER<100-199> {permit | deny | remark} LINE",
        actions.no_access_rule,
        "Refused: on IOS it removes the whole access list",
    ),
    Command(f"interface {_PORT}", port_actions.port, "Port of a line card, the IPsec module or a router", PORT),
    Command(f"no interface {_PORT}", port_actions.no_port, "Remove the configuration of a port"),
)
