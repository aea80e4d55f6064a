"""Several balancers as one: which member leads, and what all members share. The database is a clustered OVSDB."""
