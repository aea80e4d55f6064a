"""The ports of one switch as they change: which changes are followed, and when."""
