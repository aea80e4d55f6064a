"""The OpenFlow port: its sockets, TLS, and what is read of a peer before the switch code gets it."""
