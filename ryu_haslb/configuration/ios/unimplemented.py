"""Commands of IOS that real configurations have beside HA-SLB and that are not implemented.

They are recognised so that such a configuration can be read. They have no effect, and a warning names each of them.
`unreachable` is the spelling of the chapter.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.ios.blocks import END, EXIT, ConfigurationCommand, ConfigurationMode


def _ignored(*templates: str, opens: Optional[ConfigurationMode] = None) -> tuple[ConfigurationCommand, ...]:
    return tuple(ConfigurationCommand(template, None, opens=opens) for template in templates)


def _block(*templates: str) -> ConfigurationMode:
    return ConfigurationMode("config-ignored", (*_ignored(*templates), EXIT, END))


_OF_ANY_INTERFACE = _ignored(
    "[no] ip {redirects | unreachable | unreachables} [LINE]",
    "[no] ip {proxy-arp | directed-broadcast | route-cache | mroute-cache} [LINE]",
    "[no] ip {access-group | helper-address | mtu | nat | ospf | pim | igmp | policy | verify | flow | vrf} [LINE]",
    "[no] ip {rip | summary-address | unnumbered | virtual-reassembly} LINE",
    "[no] ip mobile {foreign-service | prefix-length | registration-lifetime} [LINE]",
    "[no] mop {enabled | sysid}",
    "[no] crypto engine LINE",
    "[no] {arp | bandwidth | carrier-delay | cdp | channel-group | delay | duplex | encapsulation} [LINE]",
    "[no] flowcontrol [LINE]",
    "[no] {hold-queue | ipv6 | keepalive | lldp | load-interval | logging | mac-address | media-type | mls} [LINE]",
    "[no] {mpls | mtu | negotiation | ntp | service-policy | shutdown | snmp | spanning-tree | speed | standby} [LINE]",
    "[no] {storm-control | tunnel | udld | vrf | wrr-queue} [LINE]",
)
_SWITCHING_OR_IPSEC = _ignored("[no] switchport [LINE]", "[no] crypto {connect | map} [LINE]")
_SECONDARY = _ignored("[no] ip address ADDRESS MASK secondary")

#: The commands of a loopback interface, of a VLAN's interface and of a port.
LOOPBACK_COMMANDS = (*_OF_ANY_INTERFACE, *_SWITCHING_OR_IPSEC, *_SECONDARY)
VLAN_COMMANDS = (*_OF_ANY_INTERFACE, *_SECONDARY, *_ignored("[no] switchport [LINE]", "[no] crypto connect LINE"))
PORT_COMMANDS = (
    *_OF_ANY_INTERFACE,
    *_SECONDARY,
    *_ignored(
        "[no] ip address {dhcp | negotiated} [LINE]",
        "[no] switchport {access | backup | block | nonegotiate | port-security | protected | vlan | voice} [LINE]",
        "[no] switchport trunk {native | pruning} [LINE]",
    ),
)

_INTERFACE = ConfigurationMode(
    "config-if",
    (
        *_OF_ANY_INTERFACE,
        *_SWITCHING_OR_IPSEC,
        *_ignored("[no] ip address [LINE]", "[no] description [LINE]"),
        EXIT,
        END,
    ),
)
_ISAKMP = _block("[no] {authentication | encryption | group | hash | lifetime} [LINE]")
_TRANSFORM_SET = _block("[no] mode [LINE]")
_CRYPTO_MAP = _block("[no] {description | match | reverse-route | set} [LINE]")
_ACCESS_LIST = _block("[no] {deny | permit | remark} LINE", "[no] NUMBER<1-4294967295> {deny | permit | remark} LINE")
_VLAN = _block("[no] {mtu | name | private-vlan | remote-span | shutdown | state} [LINE]")
_PROBE = _block("[no] {address | expect | faildetect | interval | lookup | port | request | url} [LINE]")
_LINE = _block(
    "[no] {access-class | autocommand | escape-character | exec | exec-timeout | history | length | logging} [LINE]",
    "[no] {login | password | privilege | session-timeout | speed | stopbits | transport | width} [LINE]",
)
_ROUTER = _block(
    "[no] {address-family | area | auto-summary | bgp | default-information | default-metric | distance} [LINE]",
    "[no] {eigrp | log-adjacency-changes | maximum-paths | neighbor | network | passive-interface} [LINE]",
    "[no] {redistribute | router-id | summary-address | synchronization | timers | version} [LINE]",
)
_DFP_AGENT = _block("[no] {inservice | interval | password | port} [LINE]")

#: The commands of `ip slb serverfarm`, of its `real`, and of `ip slb vserver`.
FARM_COMMANDS = _ignored("[no] {access | bindid | description | failaction | nat client | probe} [LINE]")
REAL_COMMANDS = _ignored("[no] {access | client | description | rate} [LINE]")
VIRTUAL_SERVER_COMMANDS = _ignored(
    "[no] {access | advertise | delay | description | hand-off | replicate | sticky | synguard | username} [LINE]"
)

#: The commands of a home agent other than `ip mobile home-agent dynamic-address`.
HOME_AGENT_COMMANDS = _ignored(
    "[no] ip mobile home-agent",
    "[no] ip mobile home-agent {accounting | address | aaa | broadcast | care-of-access | data-path-idle} [LINE]",
    "[no] ip mobile home-agent {lifetime | max-binding | multi-path | nat | redundancy | reject-static-addr} [LINE]",
    "[no] ip mobile home-agent {replay | resync-sa | reverse-tunnel | revocation | roam-access | suppress} [LINE]",
)

#: The commands of a crypto map entry.
CRYPTO_MAP_COMMANDS = _ignored(
    "[no] reverse-route [LINE]",
    "[no] set {identity | ip | isakmp-profile | nat | reverse-route | session-key} [LINE]",
    "[no] set security-association {dummy | idle-time | level | replay} [LINE]",
)

#: The commands of IPsec, for a configuration whose other crypto commands are implemented.
CRYPTO_COMMANDS = (
    *_ignored(
        "crypto map TEXT NUMBER<1-65535> {gdoi | ipsec-manual}",
        "crypto map TEXT NUMBER<1-65535> ipsec-isakmp {dynamic | discover | profile} [LINE]",
        opens=_CRYPTO_MAP,
    ),
    *_ignored(
        "[no] crypto isakmp {aggressive-mode | client | enable | fragmentation | identity | nat | profile} [LINE]",
        "[no] crypto isakmp invalid-spi-recovery",
        "[no] crypto ipsec {client | df-bit | fragmentation | nat-transparency | optional | profile} [LINE]",
        "[no] crypto ipsec security-association {idle-time | replay} [LINE]",
        "crypto map TEXT {client | isakmp | local-address | redundancy} LINE",
        "[no] crypto {ca | dynamic-map | engine | key | keyring | logging | pki} [LINE]",
    ),
)

#: The commands of IPsec, for a configuration in which none is implemented.
WITHOUT_CRYPTO_COMMANDS = (
    *_ignored("crypto isakmp policy LINE", opens=_ISAKMP),
    *_ignored("crypto ipsec transform-set LINE", opens=_TRANSFORM_SET),
    *_ignored("crypto map LINE", opens=_CRYPTO_MAP),
    *_ignored(
        "crypto isakmp {aggressive-mode | client | enable | fragmentation | identity | invalid-spi-recovery} LINE",
        "crypto isakmp {keepalive | key | nat | profile} LINE",
        "crypto ipsec {client | df-bit | fragmentation | nat-transparency | profile | security-association} LINE",
        "crypto {ca | dynamic-map | engine | key | keyring | pki} LINE",
        "no crypto LINE",
        "[no] access-list EXTENDED<100-199> [LINE]",
    ),
)

_INTERFACES = (
    "{Ethernet | FastEthernet | GigabitEthernet | TenGigabitEthernet | Multilink | Loopback | Null | Port-channel | Pos"
    " | Serial | Atm | Tunnel | Virtual-Template | Dialer | Group-Async | Bvi}"
    " TEXT [multipoint | point-to-point]"
)

GLOBAL_COMMANDS = (
    *_ignored(
        f"interface {_INTERFACES}",
        opens=_INTERFACE,
    ),
    *_ignored(f"no interface {_INTERFACES}"),
    *_ignored("ip access-list LINE", opens=_ACCESS_LIST),
    *_ignored("ip dfp agent LINE", opens=_DFP_AGENT),
    *_ignored("ip slb probe LINE", opens=_PROBE),
    *_ignored("router LINE", opens=_ROUTER),
    *_ignored("line LINE", opens=_LINE),
    *_ignored("vlan LINE", opens=_VLAN),
    *_ignored(
        "[no] ip slb {entries | firewallfarm | map | maxbuffers | natpool | replicate | route | static | timers} LINE",
        "no ip {access-list | dfp} LINE",
        "[no] ip {address-pool | arp | bootp | cef | classless | default-gateway | dhcp | domain | domain-list} [LINE]",
        "[no] ip {domain-lookup | domain-name | finger | flow-export | forward-protocol | ftp | host | http} [LINE]",
        "[no] ip {local | mobile | multicast | multicast-routing | name-server | prefix-list | radius | rcmd} [LINE]",
        "[no] ip {routing | scp | source-route | ssh | subnet-zero | tacacs | telnet | tftp | vrf} [LINE]",
        "[no] access-list {compiled | STANDARD<1-99> | OTHER<200-2799>} [LINE]",
        "[no] {aaa | alias | arp | boot | boot-end-marker | boot-start-marker | cdp} [LINE]",
        "[no] clock [LINE]",
        "[no] {config-register | diagnostic | dot11 | enable | errdisable | exception | fabric | ipc | ipv6} [LINE]",
        "[no] {logging | mac-address-table | mls | monitor | mpls | multilink | ntp | port-channel | power} [LINE]",
        "[no] {privilege | qos | radius | radius-server | redundancy | route-map | router | service} [LINE]",
        "[no] scheduler [LINE]",
        "[no] {snmp-server | snmp | spanning-tree | tacacs-server | udld | upgrade | username | vtp | wism} [LINE]",
    ),
)
