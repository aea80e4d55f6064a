"""Brings a topology up, hands it to its user, and takes it down without trace."""
