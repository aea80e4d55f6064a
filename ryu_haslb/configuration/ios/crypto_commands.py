"""The commands of IPsec, mode by mode: the balancer's and a PDSN's are the same."""

from __future__ import annotations

from ryu_haslb.configuration.crypto_model import AUTHENTICATIONS, CIPHERS, COMPRESSION, GROUPS, HASHES
from ryu_haslb.configuration.ios import crypto_actions as actions
from ryu_haslb.configuration.ios import port_actions, unimplemented
from ryu_haslb.configuration.ios.actions import ignore, vlan_crypto_map
from ryu_haslb.configuration.ios.blocks import END, EXIT
from ryu_haslb.configuration.ios.blocks import ConfigurationCommand as Command
from ryu_haslb.configuration.ios.blocks import ConfigurationMode as Mode

_LEAVE = (EXIT, END)
_NO = {"no": "Undo a command"}

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

#: What an interface of ours never does, so that it may be forbidden. `unreachable` is the chapter's spelling.
NEVER_DONE = (
    Command("no ip {redirects | unreachable | unreachables}", ignore, "Nothing of ours sends them"),
    Command("no mop enabled", ignore, "Nothing of ours speaks MOP"),
)

POLICY = Mode(
    "config-isakmp",
    (
        Command(
            "{authentication {pre-share | rsa-sig | rsa-encr} | no authentication [LINE]}",
            actions.authentication,
            "How peers prove who they are (rsa-sig)",
        ),
        Command(
            "{encryption {des | 3des | aes [128 | 192 | 256]} | no encryption [LINE]}",
            actions.encryption,
            "Cipher (des)",
        ),
        Command(f"{{hash {{{_HASHES}}} | no hash [LINE]}}", actions.hash_algorithm, "Hash (sha)"),
        Command(f"{{group {{{_GROUPS}}} | no group [LINE]}}", actions.group, "Diffie-Hellman group (1)"),
        Command(
            "{lifetime SECONDS<60-86400> | no lifetime [LINE]}",
            actions.policy_lifetime,
            "Life of the peers' own association, in seconds (86400)",
        ),
        *_LEAVE,
    ),
    _NO,
)

TRANSFORM_SET = Mode(
    "cfg-crypto-trans",
    (Command("{mode {tunnel | transport} | no mode [LINE]}", actions.mode, "What is encrypted (tunnel)"), *_LEAVE),
    _NO,
)

CRYPTO_MAP = Mode(
    "config-crypto-map",
    (
        Command("{set peer ADDRESS [default] | no set peer [ADDRESS]}", actions.peer, "The other end"),
        Command(
            "{set transform-set LABELS | no set transform-set [LINE]}", actions.map_transform_sets, "How, best first"
        ),
        Command(
            f"{{set pfs [{_PFS_GROUPS}] | no set pfs [LINE]}}",
            actions.pfs,
            "A Diffie-Hellman exchange for each association (none; group1)",
        ),
        Command(
            f"{{set security-association lifetime {_LIFETIME} | no set security-association lifetime {_NO_LIFETIME}}}",
            actions.map_lifetime,
            "Life of an association (the global one)",
        ),
        Command(
            "{match address NUMBER<100-199> | no match address [LINE]}", actions.match_address, "What is protected"
        ),
        Command("[no] description [LINE]", ignore, "A remark"),
        *unimplemented.CRYPTO_MAP_COMMANDS,
        *_LEAVE,
    ),
    _NO,
)

CRYPTO_MAP_OF_VLAN = Command(
    "{crypto map LABEL | no crypto map [LABEL]}", vlan_crypto_map, "The crypto map that protects its traffic"
)

PORT = Mode(
    "config-if",
    (
        Command(
            "{ip address ADDRESS MASK | no ip address [ADDRESS MASK]}",
            port_actions.port_address,
            "The port's own address",
        ),
        Command(
            "{crypto map LABEL | no crypto map [LABEL]}",
            port_actions.port_crypto_map,
            "The crypto map that protects it",
        ),
        Command(
            "{crypto connect vlan VLAN<1-4094> | no crypto connect vlan [VLAN<1-4094>]}",
            port_actions.crypto_connect,
            "The inside VLAN that it is connected to through the IPsec module",
        ),
        Command(
            "{switchport trunk allowed vlan {VLANS | {add | remove | except} VLANS | all | none}"
            " | no switchport trunk allowed vlan [LINE]}",
            port_actions.allowed_vlans,
            "VLANs of a trunk (all)",
        ),
        Command("[no] switchport", ignore, "Whether it is switched or routed: a remark here"),
        Command("[no] switchport trunk encapsulation [dot1q]", ignore, "How VLANs are marked: by 802.1Q, as always"),
        Command(
            "[no] switchport mode [{trunk | access | dynamic [LINE]}]",
            ignore,
            "Whether it is a trunk: its allowed VLANs say so",
        ),
        Command("[no] description [LINE]", ignore, "A remark"),
        Command("no shutdown", ignore, "Ports are up"),
        *NEVER_DONE,
        *unimplemented.PORT_COMMANDS,
        *_LEAVE,
    ),
    {**_NO, "crypto": "IPsec", "ip": "The port's own address", "switchport": "Switching"},
)

_ADDRESSES = (
    "{any | host SOURCE-HOST | SOURCE SOURCE-WILDCARD} {any | host DESTINATION-HOST | DESTINATION DESTINATION-WILDCARD}"
)

COMMANDS = (
    Command("crypto isakmp policy PRIORITY<1-10000>", actions.policy, "A proposal for IKE", POLICY),
    Command("no crypto isakmp policy PRIORITY<1-10000>", actions.no_policy, "Remove a proposal for IKE"),
    Command("crypto isakmp key [0|6] KEY address PREFIX [MASK] [no-xauth]", actions.key, "Pre-shared key of peers"),
    Command("no crypto isakmp key [0|6] KEY address PREFIX [MASK]", actions.no_key, "Remove a pre-shared key"),
    Command(
        "{crypto isakmp keepalive SECONDS<10-3600> [RETRY<2-60>] [periodic | on-demand]"
        " | no crypto isakmp keepalive [LINE]}",
        actions.keepalive,
        "Seconds of silence before a peer is asked whether it lives (2)",
    ),
    Command(f"crypto ipsec transform-set LABEL {_TRANSFORMS}", actions.transform_set, "How to protect", TRANSFORM_SET),
    Command("no crypto ipsec transform-set LABEL", actions.no_transform_set, "Remove a transform set"),
    Command(
        f"{{crypto ipsec security-association lifetime {_LIFETIME}"
        f" | no crypto ipsec security-association lifetime {_NO_LIFETIME}}}",
        actions.lifetime,
        "Life of associations (3600 seconds, 4608000 kilobytes)",
    ),
    Command("crypto map LABEL SEQUENCE<1-65535> [ipsec-isakmp]", actions.crypto_map, "What to protect", CRYPTO_MAP),
    Command("no crypto map LABEL [SEQUENCE<1-65535>]", actions.no_crypto_map, "Remove a crypto map or an entry"),
    Command(
        f"access-list NUMBER<100-199> {{permit | deny}} ip {_ADDRESSES} [LINE]",
        actions.access_rule,
        "Traffic between addresses",
    ),
    Command(
        "access-list NUMBER<100-199> {permit | deny} PROTOCOL [LINE]",
        actions.other_access_rule,
        "Rules of other protocols are recognised, and no crypto map can match them",
    ),
    Command("access-list NUMBER<100-199> remark [LINE]", ignore, "A remark"),
    Command("no access-list NUMBER<100-199> [LINE]", actions.no_access_list, "Remove an access list"),
    Command(f"interface {_PORT}", port_actions.port, "A port", PORT),
    Command(f"no interface {_PORT}", port_actions.no_port, "Remove what is said of a port"),
)
