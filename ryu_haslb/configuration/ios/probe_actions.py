"""The actions of ``ip slb probe`` and of ``probe`` in a farm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ryu_haslb.configuration.draft import Draft, FarmDraft, ProbeDraft
from ryu_haslb.configuration.ios.blocks import Statement
from ryu_haslb.configuration.model import ProbeKind, default_probe
from ryu_haslb.language.wording import quoted


def probe(draft: Draft, statement: Statement) -> ProbeDraft:
    """``ip slb probe NAME {ping | ipmobile}``."""
    name = statement.match["NAME"]
    kind = next(each for each in ProbeKind if each.value in statement.match)
    entry = draft.probes.setdefault(name, ProbeDraft(statement.line, name, default_probe(name, kind)))
    if entry.probe is None or entry.probe.kind is not kind:
        raise ValueError(f"probe {name} is of another kind; expected 'no ip slb probe {name}' before")
    return entry


def other_probe(draft: Draft, statement: Statement) -> None:
    """A probe of a kind that is not implemented: farms that name it go without."""
    name = statement.match["NAME"]
    draft.probes[name] = ProbeDraft(statement.line, name)
    kind = " ".join(statement.match.words[3:])
    statement.warning(
        f"probe {name} is of kind {kind}, which is not implemented; farms go without it; expected 'ping' or 'ipmobile'"
    )


def no_probe(draft: Draft, statement: Statement) -> None:
    """``no ip slb probe NAME``."""
    name = statement.match["NAME"]
    if draft.probes.pop(name, None) is None:
        statement.warning(f"there is no probe {name} to remove")


def interval(entry: ProbeDraft, statement: Statement) -> None:
    """``interval SECONDS``."""
    _change(entry, statement, interval=statement.match.get("SECONDS"))


def faildetect(entry: ProbeDraft, statement: Statement) -> None:
    """``faildetect COUNT``."""
    _change(entry, statement, faildetect=statement.match.get("COUNT"))


def source(entry: ProbeDraft, statement: Statement) -> None:
    """``source A.B.C.D``."""
    address = statement.match.get("ADDRESS")
    if entry.probe is not None and "no" in statement.match and address not in (None, entry.probe.source):
        statement.warning(f"probe {entry.name} has no source {address} to remove")
    else:
        _change(entry, statement, source=address)


def nai(entry: ProbeDraft, statement: Statement) -> None:
    """``nai NAI``."""
    name = statement.match.get("NAI")
    if entry.probe is not None and "no" in statement.match and name not in (None, entry.probe.nai):
        statement.warning(f"probe {entry.name} has no nai {quoted(name)} to remove")
    else:
        _change(entry, statement, nai=name)


def _change(entry: ProbeDraft, statement: Statement, **values: Any) -> None:
    """Set attributes of a probe, or with ``no`` return them to their defaults."""
    assert entry.probe is not None, "the block of a probe that is not implemented has no commands"
    if "no" in statement.match:
        default = default_probe(entry.name, entry.probe.kind)
        values = {name: getattr(default, name) for name in values}
    entry.probe = replace(entry.probe, **values)


def farm_probe(farm: FarmDraft, statement: Statement) -> None:
    """``probe NAME`` in a farm."""
    farm.probes[statement.match["NAME"]] = statement.line


def no_farm_probe(farm: FarmDraft, statement: Statement) -> None:
    """``no probe [NAME]`` in a farm: without a name all of them."""
    name = statement.match.get("NAME")
    if name is None:
        farm.probes.clear()
    elif farm.probes.pop(name, None) is None:
        statement.warning(f"farm {farm.name} has no probe {name} to remove")
