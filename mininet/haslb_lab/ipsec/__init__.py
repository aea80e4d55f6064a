"""IPsec by strongSwan: the module's bump in the wire, the PDSN's crypto map, a charon for each."""
