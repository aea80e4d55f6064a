"""Reads and checks a configuration in a process of its own, so that requests do not wait for it.

Five thousand real servers take seconds to read. A thread would hold Python's interpreter lock for 5 ms at a time, and
each request would wait for it; a process costs only its start. The caller writes a :class:`Job` to the standard input
of the process, and reads the outcome from its standard output. Both are pickled in pieces, because a single large
pickle would stop the event loop as well. This module is what the process runs: it imports neither eventlet nor the
engine.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import IO, Any, Optional

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import Configuration, DfpAgent, RealServer
from ryu_haslb.control.difference import changes, notes
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic

#: Real servers or DFP agents in one piece: a millisecond's work.
_ITEMS_PER_PIECE = 50


@dataclass(frozen=True)
class Job:
    """What is to be read: the file ``source``, or these ``commands`` after ``before``, or this whole ``text``.

    ``before`` is the configuration in force. A file ``is_merged`` into it, or replaces it.
    """

    source: str
    before: Configuration
    commands: Optional[str] = None
    text: Optional[str] = None
    is_merged: bool = False

    @property
    def basis(self) -> Basis:
        """What the configuration rests on. A whole text is one that was in force before."""
        if self.text is not None:
            return Basis.ROLLBACK
        return Basis.IN_FORCE if self.is_merged or self.commands is not None else Basis.FILE


@dataclass(frozen=True)
class Outcome:
    """A configuration that can be used, its warnings, what it changes, and what the operator has to do besides.

    ``text`` is the whole configuration in the language of IOS, with its keys. ``digest`` is that of this text and the
    one in force before: of two outcomes with the same digest either can be applied.
    """

    configuration: Configuration
    warnings: tuple[Diagnostic, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    text: str
    digest: bytes


def read(job: Job) -> Outcome:
    """Read, check and compare. Raises: ConfigurationError."""
    warnings: tuple[Diagnostic, ...]
    if job.text is not None:
        after, warnings = read_configuration(job.text, job.source)
    elif job.commands is None:
        loaded = load(job.source, job.before if job.is_merged else None)
        after, warnings = loaded.configuration, loaded.warnings
    else:
        after, warnings = read_configuration(job.commands, job.source, job.before)
    if job.basis is Basis.IN_FORCE:
        warnings = _without_those_of(job.before, warnings)
    differing, left_to_do = tuple(changes(job.before, after)), tuple(notes(job.before, after))
    text = write_configuration(after)
    digest = sha256(f"{write_configuration(job.before)}\0{text}".encode()).digest()
    return Outcome(after, warnings, differing, left_to_do, text, digest)


def _without_those_of(before: Configuration, warnings: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Without what a configuration warned of before it was edited: it is not news of the edit."""
    known = {each.text for each in read_configuration("", "", before)[1]}
    return tuple(each for each in warnings if each.text not in known)


def pieces(frame: Any, configuration: Configuration) -> Iterator[bytes]:
    """The pickled pieces of a job or an outcome, whose ``configuration`` is sent apart: its long lists in pieces."""
    farms = {name: replace(farm, reals=()) for name, farm in configuration.farms.items()}
    dfp = configuration.dfp and replace(configuration.dfp, agents=())
    yield pickle.dumps((frame, replace(configuration, farms=farms, dfp=dfp)))
    for name, farm in configuration.farms.items():
        yield from (pickle.dumps((name, items)) for items in _split(farm.reals))
    if configuration.dfp is not None:
        yield from (pickle.dumps((None, items)) for items in _split(configuration.dfp.agents))
    yield pickle.dumps(None)


def _split(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[begin : begin + _ITEMS_PER_PIECE] for begin in range(0, len(items), _ITEMS_PER_PIECE))


class Assembly:
    """Puts pieces together again. ``for _ in assembly.steps(): ...`` does the work, one piece a step."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._result: Optional[tuple[Any, Configuration]] = None

    def steps(self) -> Iterator[None]:
        """Read piece after piece. Raises: EOFError or pickle.UnpicklingError if the stream ends before its end."""
        frame, configuration = pickle.load(self._stream)
        reals: dict[str, list[RealServer]] = {name: [] for name in configuration.farms}
        agents: list[DfpAgent] = []
        while True:
            piece = pickle.load(self._stream)
            if piece is None:
                break
            name, items = piece
            (agents if name is None else reals[name]).extend(items)
            yield
        farms = {name: replace(farm, reals=tuple(reals[name])) for name, farm in configuration.farms.items()}
        dfp = configuration.dfp and replace(configuration.dfp, agents=tuple(agents))
        self._result = frame, replace(configuration, farms=farms, dfp=dfp)

    def result(self) -> tuple[Any, Configuration]:
        """The frame and its configuration, after all steps."""
        assert self._result is not None
        return self._result


def main() -> None:
    """The process: a job from standard input, its outcome to standard output."""
    job = Assembly(sys.stdin.buffer)
    for _ in job.steps():
        pass
    (source, commands, text, is_merged), before = job.result()
    output = sys.stdout.buffer
    try:
        outcome = read(Job(source, before, commands, text, is_merged))
    except ConfigurationError as error:
        pickle.dump((error.errors, Configuration()), output)
        pickle.dump(None, output)
    else:
        frame = (outcome.warnings, outcome.changes, outcome.notes, outcome.text, outcome.digest)
        output.writelines(pieces(frame, outcome.configuration))
    output.flush()
