"""The Unix socket over which a running balancer takes commands."""
