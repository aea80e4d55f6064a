"""A crypto configuration and its translation, and an association as charon lists it."""

from __future__ import annotations

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.ipsec.associations import ChildAssociation
from ryu_haslb.ipsec.translation import Translation, translate

CONFIGURATION = """\
crypto isakmp policy 1
 authentication pre-share
{policy}
crypto isakmp key cisco address 15.1.1.51
crypto isakmp key other address 15.1.1.52
{crypto}
crypto ipsec transform-set SET {transforms}
crypto map MAP 10 ipsec-isakmp
 set peer 15.1.1.51
 set transform-set SET
 match address 101
{entry}
interface Vlan15
 ip address 15.1.1.15 255.0.0.0
 crypto map MAP
access-list 101 permit ip host 15.1.1.10 host 15.1.1.51
access-list 102 permit ip host 15.1.1.10 host 15.1.1.52
"""


def translated(
    transforms: str = "esp-aes esp-sha-hmac", policy: str = "", crypto: str = "", entry: str = ""
) -> Translation:
    text = CONFIGURATION.format(transforms=transforms, policy=policy, crypto=crypto, entry=entry)
    return translate(read_configuration(text, "slb.ios")[0], "Vlan15")


PAIR = ChildAssociation(
    "l2tpmap-10-1", 1, "INSTALLED", 0x8B698012, 0x5A845B5C, "AES_CBC", 128, "HMAC_SHA1_96", 252, 3, 336, 4, 3597
)
