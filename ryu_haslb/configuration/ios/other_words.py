"""Words that begin commands of IOS 12.2SR and 15 beside HA-SLB, as the manuals of the 7600 list them.

Commands that begin with them are ignored; the words behind are not read.
"""

#: Words behind ``ip`` under an interface.
IP_WORDS_OF_INTERFACES = """
access-group accounting admission arp audit auth-proxy authentication bandwidth-percent bgp broadcast-address cef cgmp
ddns device dhcp directed-broadcast dvmrp eigrp explicit-null flow flow-export hello-interval helper-address hold-time
idle-group igmp information-reply inspect ips irdp lisp load-sharing local-proxy-arp mask-reply mfib mrm mroute-cache
mtcp mtu multicast nat nbar next-hop-self nhrp ospf pgm pim policy probe proxy-arp radius rarp-server redirects rgmp
rip route-cache router rsvp rtp sap sctp sdr security source split-horizon sticky-arp subscriber summary-address tcp
topology traffic-export trigger-authentication unicast unnumbered unreachable unreachables urd urlfilter verify
virtual-reassembly vrrp wccp
"""

#: First words of commands under an interface.
INTERFACE_WORDS = """
access-session aps async atm authentication auto autodetect backup bandwidth bfd bgp-policy bridge-group carrier-delay
cdp cem channel-group channel-protocol clear-channel clns clock cns cost crc cts custom-queue-list dampening
default-gateway delay dialer dialer-group dot1q dot1x down-when-looped dsu duplex eapol encapsulation energywise epm
ethernet fabric fair-queue fhrp flowcontrol frame-relay framing full-duplex glbp group-range h323-gateway half-duplex
hold-queue hw-module ima invert ipv6 ipx isdn isis iso-igrp keepalive l2 l2protocol l2protocol-tunnel l2tp-class lacp
lan-name lane lapb linecode link lisp llc2 lldp load-interval logging loopback lre mab mac mac-address mac-address-table
macro map-group max-reserved-bandwidth mdix media-type mediatrace metadata mka mls mobility mode mpls mpoa mtu
multilink-group mvr negotiation netbios network-clock nhrp nmsp nrzi-encoding ntp oam-pvc ospfv3 otv output-delay
overhead pagp peer performance physical-layer plim port-channel port-type pos power ppp pppoe pppoe-client
priority-group priority-queue private-vlan psecure-violation ptp pulse-time pvc qos queue-limit queue-set random-detect
rate-limit rcv-queue recovery rep rewrite rmon route-target routing satellite serial service-module service-policy
shutdown snapshot snmp snmp-server sonet speed squelch ssg standby standby-use storm-control subscriber switch
tag-switching tcam timeslot traffic-shape transceiver transmit-interface trust tunnel tx tx-queue tx-queue-limit
tx-ring-limit udld ufd unidirectional vbr-nrt vbr-rt virtual-template vlan-range vpdn vrrp vslot wrr-queue x25 xconnect
zone-member
"""

#: Words behind ``ip`` outside of every block.
IP_WORDS = """
accounting-list accounting-threshold accounting-transits address-pool admission alias arp as-path audit auth-proxy bgp
bgp-community bootp cef classless community-list cookie-secret ddns default-gateway default-network device dhcp
dhcp-client dhcp-server dns domain domain-list domain-lookup domain-name drp dvmrp explicit-path extcommunity-list
fast-switching finger flow flow-aggregation flow-cache flow-capture flow-egress flow-export flow-top-talkers
forward-protocol ftp gdp gratuitous-arps gre host host-routing hp-host http icmp identd igmp inspect ips irdp kerberos
label-stack lisp load-sharing local mfib mobile mrm mroute msdp multicast multicast-routing name-server nat nbar nhrp
options ospf pgm pim policy policy-list port-map prefix-list radius rarp rate-limit rcmd reflexive-list route-cache
router routing rsvp rtcp rtp rtr sap scp sctp sdee sdr security service sla source-route source-track spd ssh sticky-arp
subnet-zero subscriber tacacs tcp telnet tftp traceroute traffic-export trigger-authentication udp urlfilter verify vrrp
wccp
"""

#: First words of commands outside of every block. None of them begins a command of HA-SLB in any block.
GLOBAL_WORDS = """
aaa access-session alarm-contact alias alps analysis anomaly-detector anomaly-guard appfw appletalk application archive
async-bootp atm auto autonomic backhaul-session-manager bba-group beep bfd bfd-template boot boot-end-marker
boot-start-marker bridge bridge-domain bstun buffers busy-message call call-history-mib call-home card ccm-manager cdp
cef chat-script class-map clid clns clock cns config-register configuration connect controller cpd cts cwmp
dampening-profile decnet default default-value define device-sensor diagnostic dial-control-mib dial-peer dialer
dialer-list dlsw domain dot11 dot1x downward-compatible-config dspfarm dss eap emm enable energywise environment eou epm
errdisable esmc ethernet event exception fabric facility-alarm fhrp file fips firewall flow flow-sampler-map frame-relay
ftp-server gatekeeper gateway global-address-family gw-accounting h323 hw-module hw-switch identity idsm instance
intrusion-detection ipc iphc-profile ipv6 ipx isdn isis issu kerberos key keymap kron l2 l2protocol-tunnel l2tp
l2tp-class l2vpn lacp lane ldap li-view license lldp load-interval logging login mab mac mac-address-table macro
map-class map-list media-proxy mediatrace memory memory-size menu metadata mgcp microcode mka mls mmi mobility modem
modemcap module monitor mpls multilink mvr mvrp mwam nat64 ncia netbios netconf netflow network-clock
network-clock-select network-clocks nls nmsp nsap ntp object-group oer onep otv pad parameter-map parser partition
passthru-domain-list performance pfr physical-path platform policy-manager policy-map port-channel port-security power
ppp pppoe printer priority-list privilege process process-max-time profile prompt protocol pseudowire-class
pseudowire-static-oam ptp qos queue-list radius radius-server random-detect-group redirect redundancy regexp remote-span
rep resource resume-string rif rlm rmon rommon route-map route-tag router rsrb rtr sampler sccp scheduler scripting sdlc
sdm secure security service service-list session-timeout sgbp sgcp shell sip-ua snapshot snmp snmp-notification
snmp-server sntp source-bridge spanning-tree spd ssg ssh ssl-proxy stackmaker standby state-machine stcapp stun
subscriber sup-bootdisk svclc switch switch-module system table-map tacacs tacacs-server tag-switching tcl tdm
telephony-service template terminal terminal-queue tftp-server time-range tns track traffic-class transceiver translate
translation-rule transport-map trunk ttcp ttycap udld upgrade username vc-class virtual-profile virtual-template vlan
vmps voice voice-card voice-port vpdn vpdn-group vpn vrf vstack vtemplate vtp vty-async warm-reboot webvpn wireless wism
wsma x25 x28 x29 xconnect xgcp xot zone zone-pair
"""

#: Words behind ``ip mobile home-agent``.
HOME_AGENT_WORDS = """
aaa accounting address binding-overwrite broadcast care-of-access congestion data-path-idle debug dfp-max-weight
foreign-agent host-config hotline lifetime local-timezone max-binding max-cps multi-path nat options qos redundancy
reject-static-addr replay resync-sa reverse-tunnel revocation roam-access sequence suppress suppress-unreachable
switchover template unknown-ha
"""
