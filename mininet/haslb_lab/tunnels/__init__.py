"""IP-in-IP between home agent and PDSN (RFC 2003), and the mobiles behind a PDSN."""
