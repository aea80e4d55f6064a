"""Whether a connection may be that of the switch that it says it is, by the configuration. Pure."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.model import Configuration
from ryu_haslb.language.values import peer_address
from ryu_haslb.language.wording import quoted
from ryu_haslb.openflow.sockets.channel import SwitchChannel


def refusal(configuration: Configuration, transport: SwitchChannel) -> Optional[str]:
    """Why a connection must not be served; None if it may be."""
    if not configuration.datapaths:
        return None
    entry = configuration.datapaths.get(transport.id)
    if entry is None:
        return "no 'ip slb datapath' has this id"
    if entry.addresses and peer_address(transport.address[0]) not in entry.addresses:
        return f"'ip slb datapath' permits it from {', '.join(map(str, entry.addresses))} only"
    return _certificate_refusal(entry.certificate, transport) if entry.certificate is not None else None


def _certificate_refusal(name: str, transport: SwitchChannel) -> Optional[str]:
    demanded = f"'ip slb datapath' demands the certificate {quoted(name)}"
    if transport.certificate is None:
        return f"{demanded}, and the connection has none; expected TLS, and --ca-certs here"
    names = transport.certificate.names
    if name not in names:
        return f"{demanded}, and its certificate names {', '.join(map(quoted, names)) or 'nothing'}"
    return None


def is_proved(configuration: Configuration, datapath_id: int) -> bool:
    """Whether every connection with this id that :func:`refusal` permits has proved that it is the switch."""
    entry = configuration.datapaths.get(datapath_id)
    return entry is not None and entry.certificate is not None
