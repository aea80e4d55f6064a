"""The lab: home agents, PDSNs and the balancer in network namespaces, and the scenarios that are played on them."""
