"""Which balancer serves a switch: OpenFlow's roles, by lease or by what a cluster has decided."""
