"""Mobile IPv4 messages (RFC 5944): decoding, encoding, authentication, and the fast reader of the request path.

This room imports no other room. Everything in it is pure: bytes and times in, values out.
"""
