"""How messages take effect at a switch: in transactions, by output to TABLE, and again after a rejection."""
