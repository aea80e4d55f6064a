"""The parameters that only configuration commands have: names with IOS's limits, keys, transform sets, networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Optional, Union

from ryu_haslb.language import kinds, values
from ryu_haslb.language.kinds import KINDS, Kind
from ryu_haslb.language.wording import MASK

#: Characters of the name of a farm or a virtual server. A longer one is refused; the columns of ``show`` rely on it.
MAX_NAME_LENGTH = 15
#: Characters of the name of a crypto map or a transform set. IOS accepts longer ones.
MAX_LABEL_LENGTH = 64
#: Characters of a pre-shared key, as on IOS.
MAX_KEY_LENGTH = 128
#: Real servers whose weight one DFP agent may set by name.
MAX_AGENT_REALS = 128
#: Transform sets of one entry of a crypto map, as on IOS.
MAX_TRANSFORM_SETS = 6
#: Characters of a name in a certificate.
MAX_CERTIFICATE_NAME_LENGTH = 255


def _key(text: str) -> str:
    if text == MASK:
        raise ValueError("it is masked; 'show running-config secrets' has the key itself")
    if len(text) > MAX_KEY_LENGTH:
        raise ValueError(f"it has {len(text)} characters")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a key consists of printable ASCII characters without spaces")
    return text


def _labels(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(values.name(word, MAX_LABEL_LENGTH) for word in text.split()))
    if len(names) > MAX_TRANSFORM_SETS:
        raise ValueError(f"there are {len(names)}")
    return names


def _reals(text: str) -> Optional[tuple[IPv4Address, ...]]:
    if text.lower() == "any":
        return None
    found = tuple(dict.fromkeys(values.host_address(word) for word in text.split()))
    if len(found) > MAX_AGENT_REALS:
        raise ValueError(f"there are {len(found)}")
    return found


def _nai(text: str) -> str:
    text = values.name(text, kinds.MAX_NAME_LENGTH)
    if text.count("@") > 1 or text.startswith("@") or text.endswith("@"):
        raise ValueError("it has the form USER@REALM (RFC 7542)")
    return text


def _interface(text: str) -> str:
    if not re.fullmatch("[A-Za-z][A-Za-z-]*[0-9][0-9/.:]*", text):
        raise ValueError
    return text


def _access_list(text: str) -> Union[int, str]:
    if text.isdigit():
        return values.decimal(text, 100, 199)
    return values.name(text, MAX_LABEL_LENGTH)


def _certificate_name(text: str) -> str:
    if len(text) > MAX_CERTIFICATE_NAME_LENGTH:
        raise ValueError(f"it has {len(text)} characters")
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


#: The kinds of the parameters of configuration commands that are not numbers.
CONFIGURATION_KINDS: Mapping[str, Kind] = {
    **KINDS,
    "NAME": kinds.name(MAX_NAME_LENGTH),
    "LABEL": kinds.name(MAX_LABEL_LENGTH),
    "LABELS": Kind("WORD", f"at most {MAX_TRANSFORM_SETS} names of transform sets", _labels, rest_of_line=True),
    "KEY": Kind("WORD", "a pre-shared key", _key, secret=True),
    "REALS": Kind(
        "LINE", f"'any', or the addresses of at most {MAX_AGENT_REALS} real servers", _reals, rest_of_line=True
    ),
    "NAI": Kind("USER@REALM", "an NAI such as user@example.org", _nai),
    "NEXT-HOP": kinds.HOST,
    "MAC": Kind("H.H.H", "the Ethernet address of a host, such as 0011.2233.4455", values.mac_address),
    "PORT-OR-VLAN": Kind("INTERFACE", "an interface such as FastEthernet3/15 or Vlan15", values.interface_name),
    "PROTOCOL": kinds.WORD,
    "DATAPATH": kinds.DATAPATH,
    "PEER": Kind("A.B.C.D", "the IPv4 or IPv6 address of a switch, such as 192.0.2.11", values.peer_address),
    "CERTIFICATE": Kind("WORD", "a name in the certificate of the switch", _certificate_name),
    "EXIT-INTERFACE": Kind("INTERFACE", "an interface such as Vlan15", _interface),
    "LIST": Kind("LIST", "a number from 100 to 199, or the name of an access list", _access_list),
    "SOURCE-HOST": kinds.ADDRESS,
    "SOURCE": kinds.ADDRESS,
    "SOURCE-WILDCARD": kinds.WILDCARD,
    "DESTINATION-HOST": kinds.ADDRESS,
    "DESTINATION": kinds.ADDRESS,
    "DESTINATION-WILDCARD": kinds.WILDCARD,
}
