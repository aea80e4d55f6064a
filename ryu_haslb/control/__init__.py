"""The operator's control of a running balancer: its Unix socket, its commands, and applying a configuration."""
