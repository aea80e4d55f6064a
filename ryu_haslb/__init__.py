"""HA-SLB as an OpenFlow application: one virtual home agent address in front of a farm of Mobile IP home agents."""

__version__ = "0.1.0"
#: What ``--version`` prints.
PRODUCT = f"ryu-haslb {__version__}"
