"""OpenFlow 1.3 messages, packed and unpacked by hand: every byte that is sent to a switch, or read from one."""
