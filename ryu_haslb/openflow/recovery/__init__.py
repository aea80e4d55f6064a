"""The sessions that a switch already holds: read after a start, followed by a standby, recovered."""
