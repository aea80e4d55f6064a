"""The sessions whose rules a switch already has: read after a start, followed by a standby, recovered."""
