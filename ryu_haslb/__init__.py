"""HA-SLB as an OpenFlow application: one virtual home agent address in front of a farm of Mobile IP home agents."""

from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec

__version__ = "0.1.0"


def build() -> str:
    """How the request path was built: ``compiled`` by mypyc (``setup.py``), or ``pure``, which is Python as written."""
    spec = find_spec("ryu_haslb.slb.balancer")
    return "compiled" if spec is not None and isinstance(spec.loader, ExtensionFileLoader) else "pure"


def product() -> str:
    """What ``--version`` prints."""
    return f"ryu-haslb {__version__} ({build()})"
