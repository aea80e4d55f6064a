"""The real servers in doubt at one switch: the rules that copy their replies, and what a copy means."""
