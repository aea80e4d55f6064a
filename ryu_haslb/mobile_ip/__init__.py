"""Mobile IPv4 messages (RFC 5944) as bytes and back."""
