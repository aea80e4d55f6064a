"""Messages that several tests share, and Hypothesis strategies for all there can be."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import strategies as st

from ryu_haslb.mobile_ip.extensions import SHAPES, UNCERTAIN, Extension, nai_extension
from ryu_haslb.mobile_ip.registration import Flags, RegistrationReply, RegistrationRequest, ReplyCode


@st.composite
def extensions(draw: st.DrawFn) -> Extension:
    """Any extension whose shape is certain."""
    kind = draw(st.sampled_from(sorted(set(range(256)) - UNCERTAIN)))
    shape = SHAPES[kind]
    data = draw(st.binary(min_size=shape.min_data, max_size=min(shape.max_data, 600)))
    return Extension(kind, data, draw(st.integers(0, 255)) if shape.has_subtype else 0)


ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
EXTENSIONS = st.lists(extensions(), max_size=5).map(tuple)
REQUESTS = st.builds(
    RegistrationRequest,
    home_address=ADDRESSES,
    home_agent=ADDRESSES,
    care_of_address=ADDRESSES,
    identification=st.integers(0, 2**64 - 1),
    lifetime=st.integers(0, 65535),
    flags=st.integers(0, 255).map(Flags),
    extensions=EXTENSIONS,
)
REPLIES = st.builds(
    RegistrationReply,
    code=st.integers(0, 255),
    home_address=ADDRESSES,
    home_agent=ADDRESSES,
    identification=st.integers(0, 2**64 - 1),
    lifetime=st.integers(0, 65535),
    extensions=EXTENSIONS,
)

REQUEST = RegistrationRequest(
    home_address=IPv4Address("0.0.0.0"),
    home_agent=IPv4Address("255.255.255.255"),
    care_of_address=IPv4Address("15.1.1.51"),
    identification=0xC0FFEE0012345678,
    lifetime=600,
    flags=Flags.DECAPSULATION | Flags.REVERSE_TUNNELING,
    extensions=(nai_extension(b"mwts-mip-np-user1@ispxyz.com"),),
)
REQUEST_WIRE = bytes.fromhex("01 22 0258 00000000 ffffffff 0f010133 c0ffee0012345678 831c") + (
    b"mwts-mip-np-user1@ispxyz.com"
)
REPLY = RegistrationReply(
    code=ReplyCode.ACCEPTED,
    home_address=IPv4Address("10.200.0.1"),
    home_agent=IPv4Address("10.1.1.51"),
    identification=0xC0FFEE0012345678,
    lifetime=600,
)
REPLY_WIRE = bytes.fromhex("03 00 0258 0ac80001 0a010133 c0ffee0012345678")
