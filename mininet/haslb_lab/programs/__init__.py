"""What a node runs: a home agent, a PDSN, an IPsec module or a mobile node."""
