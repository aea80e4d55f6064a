"""Commands of IOS that real configurations have beside HA-SLB and that are not implemented.

They are recognised so that such a configuration can be read. They have no effect, and a warning names each of them.
`unreachable` is the spelling of the chapter.
"""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.ios import other_words
from ryu_haslb.configuration.ios.blocks import END, EXIT, ConfigurationCommand, ConfigurationMode


def _ignored(*templates: str, opens: Optional[ConfigurationMode] = None) -> tuple[ConfigurationCommand, ...]:
    return tuple(ConfigurationCommand(template, None, opens=opens) for template in templates)


def _any_of(words: str, before: str = "[no]") -> tuple[ConfigurationCommand, ...]:
    return _ignored(f"{before} {{{' | '.join(words.split())}}} [LINE]")


def _block(*templates: str) -> ConfigurationMode:
    return ConfigurationMode("config-ignored", (*_ignored(*templates), EXIT, END))


_OF_ANY_INTERFACE = (
    *_ignored(
        "[no] {ip vrf | vrf} {forwarding | receive | select | sitemap} [LINE]",
        "[no] mop {enabled | sysid}",
        "[no] crypto engine LINE",
        "[no] arp {arpa | authorized | frame-relay | log | packet-priority | probe | snap | timeout} [LINE]",
        "[no] spanning-tree {bpdufilter | bpduguard | cost | guard | link-type | port-priority | portfast} [LINE]",
        "[no] spanning-tree vlan [LINE]",
        "[no] spanning-tree mst TEXT {cost | port-priority} [LINE]",
        "[no] spanning-tree mst {pre-standard | simulate} [LINE]",
    ),
    *_any_of(other_words.IP_WORDS_OF_INTERFACES, "[no] ip"),
    *_ignored("[no] ip mobile {foreign-service | prefix-length | registration-lifetime | router-service} [LINE]"),
    *_any_of(other_words.INTERFACE_WORDS),
)
_SWITCHING_OR_IPSEC = _ignored(
    "[no] switchport [LINE]", "[no] crypto connect [LINE]", "crypto map TEXT", "no crypto map [TEXT]"
)
_SECONDARY = _ignored("[no] ip address ADDRESS MASK secondary")
_NO_ADDRESS = _ignored("[no] ip address {dhcp | negotiated | pool} [LINE]")

#: The commands of a loopback interface, of a VLAN's interface and of a port.
LOOPBACK_COMMANDS = (*_OF_ANY_INTERFACE, *_SWITCHING_OR_IPSEC, *_SECONDARY)
VLAN_COMMANDS = (*_OF_ANY_INTERFACE, *_NO_ADDRESS, *_ignored("[no] switchport [LINE]", "[no] crypto connect LINE"))
PORT_COMMANDS = (
    *_OF_ANY_INTERFACE,
    *_SECONDARY,
    *_ignored(
        "[no] ip address {dhcp | negotiated} [LINE]",
        "[no] switchport {autostate | backup | block | capture | dot1q | host | nonegotiate | port-security} [LINE]",
        "[no] switchport {private-vlan | protected | virtual | vlan | voice} [LINE]",
        "[no] switchport mode {dot1q-tunnel | private-vlan} [LINE]",
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
#: The commands of a probe that is not implemented, and those of a ping beside its own.
OTHER_PROBE = _block(
    "[no] {address | credentials | expect | faildetect | header | interval | lookup | port | request} [LINE]",
    "[no] {response | retries | timeout | url} [LINE]",
)
PROBE_COMMANDS = _ignored("[no] address [LINE]")
_LINE = _block(
    "[no] {access-class | autocommand | escape-character | exec | exec-timeout | history | length | logging} [LINE]",
    "[no] {login | password | privilege | session-timeout | speed | stopbits | transport | width} [LINE]",
)
_REAL_OF_FARM = "[no] {access | inservice | maxconns | port | probe | real | reassign | retry | weight} [LINE]"
_FIREWALL_FARM = _block(
    _REAL_OF_FARM,
    "[no] {delay | description | failaction | faildetect | idle | predictor | protocol | purge} [LINE]",
    "[no] {replicate | sticky} [LINE]",
)
_STATIC_NAT = _block(_REAL_OF_FARM)
_SLB_MAP = _block("[no] {apn | calling-station-id | service | username} [LINE]")
_KAL_AP = _block("[no] {options | peer | port | secure} [LINE]")
_CLASS_MAP = _block("[no] {description | match | rename} [LINE]")
_POLICY_MAP = _block(
    "[no] {bandwidth | class | compression | conform-action | description | drop | estimate | exceed-action} [LINE]",
    "[no] {fair-queue | police | priority | queue-limit | random-detect | service-policy | set | shape | trust} [LINE]",
    "[no] {violate-action | parameter-map | inspect | pass} [LINE]",
)
_CONTROL_PLANE = _block("[no] {exit-control-plane | management-interface | service-policy} [LINE]")
_CALL_HOME = _block(
    "[no] {active | alert-group | contact-email-addr | contract-id | copy | customer-id | destination} [LINE]",
    "[no] {mail-server | phone-number | profile | rate-limit | sender | service | site-id | street-address} [LINE]",
    "[no] {subscribe-to-alert-group | vrf} [LINE]",
)
_REDUNDANCY = _block(
    "[no] {associate | auto-sync | event-log | keepalive-enable | linecard | main-cpu | mode | scheme} [LINE]",
    "[no] {association | encapsulation | interface-map | ip-address | local-ip | local-port | protocol} [LINE]",
    "[no] {remote-ip | remote-port | retransmit-timeout | assoc-retransmit | path-retransmit | split-mode} [LINE]",
    "[no] {notification-timer | policy-name | security | timers | uplink-group} [LINE]",
)
_VRF = _block(
    "[no] {address-family | bgp | description | exit-address-family | export | import | maximum | mdt | rd} [LINE]",
    "[no] {route-replicate | route-target | vnet | vpn} [LINE]",
)
_ROUTE_MAP = _block("[no] {continue | description | match | set} [LINE]")
_KEY_CHAIN = _block(
    "[no] {accept-lifetime | cryptographic-algorithm | description | key-string} [LINE]",
    "[no] key NUMBER<0-2147483647>",
    "[no] send-lifetime [LINE]",
)
_TRACK = _block(
    "[no] {carrier-delay | default-state | delay | description | ip vrf forwarding | object | threshold} [LINE]"
)
_SLA = _block(
    "[no] {dns | frequency | ftp | history | http | icmp-echo | icmp-jitter | owner | request-data-size | tag} [LINE]",
    "[no] {tcp-connect | threshold | timeout | tos | type | udp-echo | udp-jitter | verify-data | vrf} [LINE]",
)
_AAA_GROUP = _block(
    "[no] {accounting | attribute | auth-type | authorization | backoff | client | deadtime | domain | ignore} [LINE]",
    "[no] {ip radius source-interface | ip tacacs source-interface | ip vrf forwarding} [LINE]",
    "[no] {load-balance | port | server | server-key | server-private} [LINE]",
)
_ARCHIVE = _block(
    "[no] {hidekeys | log | logging | maximum | notify | path | record | rollback | time-period | write-memory} [LINE]"
)
_APPLET = _block(
    "[no] {action | description | set | trigger} [LINE]",
    "[no] event {cli | counter | interface | none | oir | resource | rf | snmp | syslog | timer | track} [LINE]",
)
_MST = _block("[no] {instance | name | private-vlan | revision} [LINE]")
_ACCESS_MAP = _block("[no] {action | match} [LINE]")
_PKI = _block(
    "[no] {auto-enroll | certificate | crl | enrollment | fingerprint | fqdn | ip-address | key-usage} [LINE]",
    "[no] {ocsp | password | primary | query | regenerate | revocation-check | rsakeypair | serial-number} [LINE]",
    "[no] {source | subject-alt-name | subject-name | usage | vrf} [LINE]",
    "certificate LINE",
    "quit",
)
_KEYRING = _block("[no] {description | local-address | pre-shared-key | rsa-pubkey} [LINE]")
_ISAKMP_PROFILE = _block(
    "[no] {accounting | ca | client | description | initiate | isakmp | keepalive | keyring | local-address} [LINE]",
    "[no] {match | qos-group | self-identity | virtual-template | vrf} [LINE]",
)
_IPSEC_PROFILE = _block("[no] {description | match | responder-only | reverse-route | set} [LINE]")
_OTHER_CRYPTO = _block(
    "[no] aaa {accounting | authentication | authorization} {cert | eap | group | psk | user} [LINE]",
    "[no] {address | authentication | client | description | dn | dpd | encryption | fqdn | group} [LINE]",
    "[no] {hostname | identity | integrity | keyring | lifetime | match | nat | passive | peer | pki} [LINE]",
    "[no] {pre-shared-key | prf | proposal | rekey | server | set | tag | virtual-template} [LINE]",
)
_ROUTER = _block(
    "[no] {address-family | area | auto-summary | bgp | default-information | default-metric | distance} [LINE]",
    "[no] {eigrp | log-adjacency-changes | maximum-paths | neighbor | network | passive-interface} [LINE]",
    "exit-address-family",
    "[no] {redistribute | router-id | summary-address | synchronization | timers | version} [LINE]",
)
_DFP_AGENT = _block("[no] {inservice | interval | password | port} [LINE]")

#: The commands of `ip slb serverfarm`, of its `real`, and of `ip slb vserver`.
FARM_COMMANDS = _ignored(
    "[no] {access | bindid | description | failaction | farm-weight | kal-ap | nat client} [LINE]",
    "[no] predictor {hash | route-map | source} [LINE]",
)
REAL_COMMANDS = _ignored("[no] {access | client | description | maxclients | probe | rate} [LINE]")
VIRTUAL_SERVER_COMMANDS = _ignored(
    "[no] {access | advertise | delay | description | hand-off | replicate | sticky | synguard | username} [LINE]",
    "[no] {asn | gtp | gw | hash | probe | purge | radius | tcp | udp | verify} [LINE]",
    "[no] idle {asn | gtp | radius | sip} LINE",
    "[no] idle SECONDS<1-65535>",
    "[no] client {gtp | group} LINE",
)

#: The commands of a home agent other than `ip mobile home-agent dynamic-address`.
HOME_AGENT_COMMANDS = (
    *_ignored("[no] ip mobile home-agent", "[no] ip route [LINE]"),
    *_any_of(other_words.HOME_AGENT_WORDS, "[no] ip mobile home-agent"),
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
    *_ignored("crypto dynamic-map TEXT NUMBER<1-65535>", opens=_CRYPTO_MAP),
    *_ignored("crypto isakmp profile TEXT [accounting]", opens=_ISAKMP_PROFILE),
    *_ignored("crypto ipsec profile TEXT", opens=_IPSEC_PROFILE),
    *_ignored("crypto keyring TEXT [LINE]", opens=_KEYRING),
    *_ignored("crypto {ca | pki} {trustpoint | certificate | profile | server | trustpool} LINE", opens=_PKI),
    *_ignored("no crypto {ca | dynamic-map | keyring | pki} LINE"),
    *_ignored("no crypto {isakmp | ipsec} profile LINE"),
    *_ignored("crypto {gdoi | identity | ikev2} LINE", "crypto isakmp peer LINE", opens=_OTHER_CRYPTO),
    *_ignored("no crypto {gdoi | identity | ikev2} LINE", "no crypto isakmp peer LINE"),
    *_ignored("[no] crypto isakmp default policy", "[no] crypto ipsec default transform-set"),
    *_ignored("crypto {ca | pki} {authenticate | crl | enroll | export | import | token} LINE"),
    *_ignored(
        "[no] crypto isakmp {aggressive-mode | client | enable | fragmentation | identity | nat | xauth} [LINE]",
        "[no] crypto isakmp invalid-spi-recovery",
        "[no] crypto ipsec {client | df-bit | fragmentation | nat-transparency | optional} [LINE]",
        "[no] crypto ipsec security-association {idle-time | replay} [LINE]",
        "crypto map TEXT {client | isakmp | local-address | redundancy} LINE",
        "[no] crypto {call | ctcp | engine | key | logging | mib | mobile | provisioning} [LINE]",
        "[no] crypto {ssl | tls-tunnel | vpn | wui | xauth} [LINE]",
    ),
)

#: The commands of IPsec, for a configuration in which none is implemented.
WITHOUT_CRYPTO_COMMANDS = (
    *_ignored("ip access-list extended LINE", opens=_ACCESS_LIST),
    *_ignored("crypto isakmp policy LINE", opens=_ISAKMP),
    *_ignored("crypto ipsec transform-set LINE", opens=_TRANSFORM_SET),
    *_ignored("crypto map LINE", opens=_CRYPTO_MAP),
    *_ignored(
        "crypto isakmp {aggressive-mode | client | enable | fragmentation | identity | invalid-spi-recovery} LINE",
        "crypto isakmp {default | keepalive | key | nat | profile} LINE",
        "crypto ipsec default LINE",
        "crypto ipsec {client | df-bit | fragmentation | nat-transparency | profile | security-association} LINE",
        "crypto {ca | dynamic-map | engine | key | keyring | pki} LINE",
        "no crypto LINE",
        "[no] access-list EXTENDED<100-199> [LINE]",
        "no ip access-list extended LINE",
    ),
)

_ROUTE_WORDS = "dhcp | global | multicast | name | permanent | tag | track"
_INTERFACES = (
    "{Async | Atm | Bdi | Bvi | Cem | Cem-Acr | Ctunnel | Dialer | Eobc | Ethernet | FastEthernet | Fddi"
    " | FortyGigabitEthernet | Ge-Wan | GigabitEthernet | Group-Async | Hssi | HundredGigE | Lisp | Loopback | Mfr"
    " | Mgmt | Multilink | Multiservice | Null | Overlay | Port-channel | Pos | Pseudowire | Sdcc | Serial"
    " | Service-Engine | Sonet-Acr | Srp | TenGigabitEthernet | Tunnel | Tunnel-Tp | TwentyFiveGigE | Vif"
    " | Virtual-Access | Virtual-Ppp | Virtual-Template | VirtualPortGroup | Wlan-Controller}"
    " TEXT [multipoint | point-to-point]"
)

GLOBAL_COMMANDS = (
    *_ignored(
        f"interface {_INTERFACES}",
        "interface range LINE",
        opens=_INTERFACE,
    ),
    *_ignored(f"no interface {_INTERFACES}"),
    *_ignored("ip access-list {role-based | standard} LINE", opens=_ACCESS_LIST),
    *_ignored("no ip access-list {role-based | standard} LINE"),
    *_ignored("[no] ip access-list {helper | log-update | logging | persistent | resequence} [LINE]"),
    *_ignored("ip slb firewallfarm TEXT", opens=_FIREWALL_FARM),
    *_ignored("ip slb static LINE", opens=_STATIC_NAT),
    *_ignored("ip slb map LINE", opens=_SLB_MAP),
    *_ignored("ip slb capp udp", opens=_KAL_AP),
    *_ignored("class-map LINE", opens=_CLASS_MAP),
    *_ignored("policy-map LINE", opens=_POLICY_MAP),
    *_ignored("control-plane [LINE]", opens=_CONTROL_PLANE),
    *_ignored("{redundancy | redundancy inter-device}", opens=_REDUNDANCY),
    *_ignored("ip vrf TEXT", "vrf definition TEXT", opens=_VRF),
    *_ignored("route-map LINE", opens=_ROUTE_MAP),
    *_ignored("key chain TEXT", opens=_KEY_CHAIN),
    *_ignored("track LINE", opens=_TRACK),
    *_ignored("[no] ip sla {schedule | monitor schedule | monitor responder | reset | responder | enable} [LINE]"),
    *_ignored("[no] ip sla {group | logging | reaction-configuration | reaction-trigger | restart} LINE"),
    *_ignored("ip sla NUMBER<1-2147483647>", "ip sla monitor NUMBER<1-2147483647>", "rtr LINE", opens=_SLA),
    *_ignored("aaa group server LINE", "aaa server radius LINE", opens=_AAA_GROUP),
    *_ignored("archive", opens=_ARCHIVE),
    *_ignored("call-home", opens=_CALL_HOME),
    *_ignored("event manager applet LINE", opens=_APPLET),
    *_ignored("spanning-tree mst configuration", opens=_MST),
    *_ignored("[no] spanning-tree mst TEXT LINE"),
    *_ignored("[no] authentication {command | critical | mac-move | violation} [LINE]"),
    *_ignored("vlan access-map LINE", opens=_ACCESS_MAP),
    *_ignored("svclc policy LINE", opens=_REDUNDANCY),
    *_ignored("ip dfp agent LINE", opens=_DFP_AGENT),
    *_ignored("router LINE", opens=_ROUTER),
    *_ignored("line LINE", opens=_LINE),
    *_ignored("vlan VLANS", "vlan VLANS LINE", opens=_VLAN),
    *_ignored("[no] vlan {accounting | dot1q | filter | internal} LINE"),
    *_ignored(
        "[no] ip slb {maxbuffers | mode | natpool | replicate | route | timers} LINE",
        "[no] ip slb entries {frag | gtp | sticky} LINE",
        "no ip slb {capp | firewallfarm | map | static} LINE",
        "no ip dfp LINE",
        "[no] banner [exec | incoming | login | motd | prompt-timeout | slip-ppp]",
        "[no] ip route {profile | static | topology | vrf} [LINE]",
        "[no] ip route PREFIX MASK {Null0 | dhcp} [LINE]",
        "[no] ip route PREFIX MASK NEXT-HOP multicast",
        f"[no] ip route PREFIX MASK EXIT-INTERFACE [{{DISTANCE<1-255> | {_ROUTE_WORDS}}} [LINE]]",
        "[no] access-list {compiled | dynamic-extended | rate-limit | STANDARD<1-99> | OTHER<200-2799>} [LINE]",
        "[no] access-list EXTENDED<100-199> {dynamic | evaluate} LINE",
        "[no] arp {access-list | entries | gratuitous | log | probe | scan | timeout | vrf} [LINE]",
        "[no] password {encryption | logging} LINE",
        "event manager {detector | directory | environment | history | policy | scheduler | session} LINE",
    ),
    *_any_of(other_words.IP_WORDS, "[no] ip"),
    *_any_of(other_words.GLOBAL_WORDS),
)
