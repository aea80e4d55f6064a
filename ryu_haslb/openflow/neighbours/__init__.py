"""The next hops of the real servers at one switch: found by ARP, or with static places; and the actions to them."""
