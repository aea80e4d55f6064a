"""Known behaviour of makes of switches, by words of their descriptions, where nothing else shows it in time. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

from ryu_haslb.openflow.wire.description import Description

#: CPqD's software switch (BOFUSS, ofsoftswitch13), whose description also stands in switches made from it.
CPQD = ("cpqd", "bofuss", "ofsoftswitch", "openflow 1.3 reference userspace switch")
#: Switches that accept rules with output to NORMAL and drop the packets.
IGNORES_NORMAL = (*CPQD, "lagopus")
#: Switches that are known to forward what is output to NORMAL, and need not be tried.
FORWARDS_NORMAL = ("open vswitch",)

#: Switches of which versions let packets begin with metadata of all ones, so that no rule for metadata 0 matches them.
MISREADS_METADATA = CPQD
#: Switches whose meters pass nothing in their first second, nor in that after a change of the rate, and a tenth of the
#: rate later: they begin empty, and are filled to the burst once a second.
MISCOUNTS_METERS = CPQD

#: Rules of a table that flow statistics in one message of 64 kB have room for: those of sessions have 184 bytes at
#: most, and those of learned addresses 112. Some other rules are in these tables as well.
REPORTABLE_SESSION_RULES, REPORTABLE_ADDRESSES = 340, 512


def is_of(description: Description, makes: Collection[str]) -> bool:
    """Whether a description has words of one of these makes."""
    words = " ".join(description).lower()
    return any(make in words for make in makes)


def reportable(description: Description, rules: int) -> Optional[int]:
    """How many rules of one table the switch can report, if it has room for so many in one message; None: any number.

    CPqD's switch sends all flow statistics in one message, even if they are longer than 64 kB. The relay that connects
    it to its controllers (``ofprotocol``) reads the first 64 kB only and takes the rest for another message. That makes
    no sense, so it reconnects, and loses what it was sent meanwhile; the next audit has the same effect.
    """
    return rules if is_of(description, CPQD) else None
