"""The configuration that all members share, as a row of the database, and what a member does about it. Pure.

The row has the whole configuration as text, with its keys. It is changed in one transaction that verifies the revision
on which the change was based, so that of two changes at two members one is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Optional, Union

from ryu_haslb.cluster.rows import Columns, Kind, shown

CONFIGURATION = Kind("Configuration", (), ("revision", "format", "text", "changed_by", "changed_at"))
#: The form of the text: commands in the language of IOS, as ``show running-config secrets`` prints them.
FORMAT = "ios"
#: Characters of the text; 5,000 real servers have some 400,000.
MAX_TEXT = 1 << 20
#: The largest revision. The one after the largest integer of the database could not be committed.
MAX_REVISION = 1 << 62
#: Characters of what is shown of the other columns.
_MAX_SHOWN = 120
#: Differences that one log line names.
_MAX_NAMED = 3


class Basis(Enum):
    """The basis of a changed configuration. It decides whether that may replace one that cannot be applied here."""

    #: The configuration in force at this member, changed by commands.
    IN_FORCE = auto()
    #: A file with the whole configuration.
    FILE = auto()
    #: A configuration that was in force at all members before, and comes back.
    ROLLBACK = auto()


@dataclass(frozen=True)
class SharedConfiguration:
    """A configuration of all members: its text, and who changed it when (ISO 8601, UTC)."""

    revision: int
    text: str
    changed_by: str
    changed_at: str

    def __str__(self) -> str:
        return f"revision {self.revision} ({self.changed_by}, {self.changed_at})"

    def row(self) -> Columns:
        """The row of the database."""
        return {
            "revision": self.revision,
            "format": FORMAT,
            "text": self.text,
            "changed_by": self.changed_by,
            "changed_at": self.changed_at,
        }


def read_shared(rows: Collection[Columns]) -> Union[SharedConfiguration, str, None]:
    """The configuration in the database; None if there is none, a text if this version cannot use it."""
    row = next(iter(rows), None)
    if row is None:
        return None
    revision, text, form = row["revision"], row["text"], row["format"]
    if not isinstance(revision, int) or not isinstance(text, str):
        return "the row has values of other types; expected a number and a text"
    if _is_impossible(revision):
        return f"revision {revision} is none that a member commits; 'haslb configure' at any member replaces it"
    if form != FORMAT:
        return f"revision {revision} has the format {_shown(form)}; this version reads {FORMAT!r}"
    if len(text) > MAX_TEXT:
        return f"revision {revision} has {len(text)} characters; expected at most {MAX_TEXT}"
    return SharedConfiguration(revision, text, _shown(row["changed_by"]), _shown(row["changed_at"]))


def differences(changes: Sequence[str], added_are_in: str, removed_are_in: str) -> str:
    """One line that says what differs. ``changes`` begin with ``+`` and ``-``; each side has a name."""
    parts = []
    for mark, name in (("+", added_are_in), ("-", removed_are_in)):
        found = [change[2:] for change in changes if change.startswith(mark)]
        if found:
            others = f" and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
            parts.append(f"only {name}: {', '.join(map(repr, found[:_MAX_NAMED]))}{others}")
    return "; ".join(parts) or "the order of commands"


class Agreement:
    """The configuration that is in force here, and the one of the cluster.

    ``text`` is in force here; ``shared`` is its revision, None while the cluster has none. ``refused`` says why the
    cluster's configuration cannot be applied here, and is empty if it can. ``is_replaceable``: no member can apply it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.shared: Optional[SharedConfiguration] = None
        self.refused = ""
        self.has_read = self.is_replaceable = False
        self._seen: Optional[SharedConfiguration] = None
        self._refused_row: Optional[SharedConfiguration] = None

    @property
    def pending(self) -> Optional[SharedConfiguration]:
        """The configuration that is to be applied here; None if there is nothing to do."""
        seen = self._seen
        return seen if seen is not None and seen not in (self.shared, self._refused_row) else None

    @property
    def is_settled(self) -> bool:
        """Whether this member has read the cluster's configuration, and has applied or refused it."""
        return self.has_read and self.pending is None

    def on_rows(self, rows: Collection[Columns]) -> None:
        """The database shows these rows of :data:`CONFIGURATION`."""
        self.has_read = True
        read = read_shared(rows)
        self.is_replaceable = any(_is_impossible(row["revision"]) for row in rows)
        if isinstance(read, str):
            self.refused, self._seen = read, None
            return
        self._seen = read
        if read is None:
            self.refused = ""
        elif read.text == self.text:
            self.on_applied(read)

    def on_applied(self, shared: SharedConfiguration) -> None:
        """This configuration of the cluster is in force here. The database may show another one by now."""
        self.text, self.shared = shared.text, shared
        self._refused_row = None
        if shared == self._seen:
            self.refused = ""

    def on_committed(self, shared: SharedConfiguration) -> None:
        """This member has committed this configuration, and the database may not show it here yet."""
        if self._seen is None or self._seen.revision < shared.revision:
            self._seen = shared

    def on_refused(self, shared: SharedConfiguration, reason: str) -> None:
        """This configuration of the cluster has errors for this version. The database may show another one by now."""
        self._refused_row = shared
        if shared == self._seen:
            self.refused = f"{shared}: {reason}"

    def next(self, text: str, changed_by: str, changed_at: str) -> SharedConfiguration:
        """The configuration that is to follow."""
        newest = max((each.revision for each in (self.shared, self._seen) if each is not None), default=0)
        return SharedConfiguration(newest + 1 if newest < MAX_REVISION else 1, text, _shown(changed_by), changed_at)

    def objection(self, text: str, basis: Basis, applied_by: Sequence[str] = ()) -> Optional[str]:
        """Why this member cannot change the configuration of the cluster to this text; None if it can.

        ``applied_by`` are the other members that may have applied the one of the cluster. What this member refuses may
        be in force there, or come from a newer version: a file replaces it only if no member has applied it, and a
        rollback always.
        """
        if not self.has_read:
            return "the database is not connected"
        may_replace = self.is_replaceable or basis is Basis.ROLLBACK or (basis is Basis.FILE and not applied_by)
        if self.refused and not may_replace:
            others = " or ".join(applied_by[:_MAX_NAMED])
            what_to_do = f"change it at {others}" if applied_by else "'haslb configure --from-file' replaces it"
            return f"this member cannot apply the configuration of the cluster ({self.refused}); {what_to_do}"
        if self.pending is not None:
            return f"{self.pending} has just been committed; try again"
        if len(text) > MAX_TEXT:
            return f"it has {len(text)} characters; expected at most {MAX_TEXT} in a cluster"
        return None

    def rows_to_publish(self, rows: Collection[Columns], changed_by: str, changed_at: str) -> Iterator[Columns]:
        """The rows that the leader publishes: those that are there, else the configuration that is in force here."""
        if rows:
            yield from rows
        elif len(self.text) <= MAX_TEXT:
            yield self.next(self.text, changed_by, changed_at).row()


def _is_impossible(revision: object) -> bool:
    return isinstance(revision, int) and revision > MAX_REVISION


def _shown(value: object) -> str:
    return shown(value, _MAX_SHOWN) or "?"
