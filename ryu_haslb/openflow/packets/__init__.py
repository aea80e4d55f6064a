"""The packets of packet-ins and packet-outs, read and written by hand: Ethernet, ARP, ICMP, UDP."""
