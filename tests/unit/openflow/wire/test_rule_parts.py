"""Parts of rules are read as Ryu does, and forms that mean the same are taken for the same (OpenFlow 1.3.5)."""

from __future__ import annotations

import struct

from ryu_haslb.openflow.wire import rule_parts


def test_more_fields_or_instructions_than_a_rule_can_have_are_taken_together() -> None:
    """OpenFlow 1.3.5, sections 7.2.3.7 and 7.2.4: each match field and each type of instruction comes once."""
    fields = [struct.pack("!HBB", 0x8000, number << 1, 0) for number in range(41)]
    assert len(rule_parts.canonical_match(b"".join(fields[:40]))) == 40
    assert rule_parts.canonical_match(b"".join(fields)) == {b"".join(fields)}
    instructions = [struct.pack("!HHI", 1, 8, number) for number in range(8)]
    assert len(rule_parts.effect_of(b"".join(instructions[:7]))) == 7
    assert rule_parts.effect_of(b"".join(instructions)) == {b"".join(instructions)}
