"""All switches and their connections: which are served, over which connection, and which are not forgotten."""
