"""What one switch can do, as it reports, shows and has on record, and which layout it gets for that."""
