"""What a peer of the OpenFlow port does that it must not, as exceptions. OFPT_ERROR messages are in ``wire.py``."""

from __future__ import annotations

from ryu_haslb.errors import HaslbError


class ProtocolError(HaslbError):
    """The peer breaks OpenFlow, and its connection must be closed. The text says how."""


class IncompatibleVersionError(ProtocolError):
    """The peer does not offer OpenFlow 1.3."""


class AuxiliaryConnectionError(ProtocolError):
    """A further connection of a switch beside its main one (OpenFlow 1.3.5, section 6.3.7), which is not served."""
