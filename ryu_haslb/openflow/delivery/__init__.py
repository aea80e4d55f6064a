"""How messages get to a switch and into effect: in transactions, by output to TABLE, after a rejection again."""
