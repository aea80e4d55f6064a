"""The configuration of a cluster: which one is in force at a member, and when it may be changed."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ryu_haslb.cluster.configuration_rows import (
    CONFIGURATION,
    MAX_REVISION,
    MAX_TEXT,
    Agreement,
    Basis,
    SharedConfiguration,
    differences,
    read_shared,
)

FILE, NEW, NEWEST = "ip slb serverfarm F\n", "ip slb serverfarm G\n", "ip slb serverfarm H\n"
AT = "2026-01-02T03:04:05Z"


def shared(revision: int, text: str) -> SharedConfiguration:
    return SharedConfiguration(revision, text, "east: command", AT)


def joined(*rows: SharedConfiguration) -> Agreement:
    """A member that has begun with its file and has read the database."""
    agreement = Agreement(FILE)
    agreement.on_rows([row.row() for row in rows])
    return agreement


def test_a_row_has_the_columns_of_the_schema_and_is_read_back() -> None:
    row = shared(3, NEW).row()
    assert set(row) == set(CONFIGURATION.columns)
    assert read_shared([row]) == shared(3, NEW)
    assert read_shared([]) is None


def test_a_member_that_has_not_read_the_database_is_not_settled() -> None:
    """It must not lead with its file when the cluster has another configuration."""
    agreement = Agreement(FILE)
    assert not agreement.is_settled
    assert agreement.objection(NEW, Basis.FILE) == "the database is not connected"
    agreement.on_rows([])
    assert agreement.is_settled


def test_the_configuration_of_the_cluster_wins_over_the_file() -> None:
    agreement = joined(shared(3, NEW))
    assert agreement.pending == shared(3, NEW)
    assert not agreement.is_settled
    agreement.on_applied(shared(3, NEW))
    assert (agreement.text, agreement.shared, agreement.is_settled) == (NEW, shared(3, NEW), True)


def test_a_file_that_is_the_same_needs_nothing() -> None:
    agreement = joined(shared(3, FILE))
    assert (agreement.pending, agreement.shared, agreement.is_settled) == (None, shared(3, FILE), True)


def test_the_leader_publishes_what_is_in_force_where_there_is_nothing() -> None:
    assert list(joined().rows_to_publish([], "east: file", AT)) == [
        SharedConfiguration(1, FILE, "east: file", AT).row()
    ]
    row = shared(7, NEW).row()
    assert list(joined(shared(7, NEW)).rows_to_publish([row], "east: file", AT)) == [row]


def test_revisions_go_on_when_the_database_was_made_anew() -> None:
    agreement = joined(shared(7, FILE))
    agreement.on_rows([])
    (row,) = agreement.rows_to_publish([], "east: file", AT)
    assert row["revision"] == 8


def test_a_revision_that_goes_back_is_applied_as_well() -> None:
    """The database says what is in force, also after an older one was restored."""
    agreement = joined(shared(7, FILE))
    agreement.on_rows([shared(2, NEW).row()])
    assert agreement.pending == shared(2, NEW)


def test_what_was_committed_while_another_was_applied_follows() -> None:
    agreement = joined(shared(3, NEW))
    agreement.on_rows([shared(4, NEWEST).row()])
    agreement.on_applied(shared(3, NEW))
    assert agreement.pending == shared(4, NEWEST)


def test_nothing_is_changed_on_top_of_what_was_not_applied() -> None:
    agreement = joined(shared(3, NEW))
    assert "try again" in str(agreement.objection(NEWEST, Basis.FILE))
    agreement.on_refused(shared(3, NEW), "line 1: unknown command")
    objection = str(agreement.objection(NEWEST, Basis.FILE, ["west"]))
    assert "line 1: unknown command" in objection
    assert "change it at west" in objection
    assert agreement.is_settled, "it goes on with what it has"
    agreement.on_rows([shared(3, NEW).row()])
    assert agreement.pending is None, "and does not try again"
    agreement.on_rows([shared(4, FILE).row()])
    assert (agreement.refused, agreement.objection(NEWEST, Basis.IN_FORCE)) == ("", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "ios-2"},
        {"format": "\x1b[31m" + "x" * 10_000},
        {"text": "x" * (MAX_TEXT + 1)},
        {"text": 5},
        {"revision": "7"},
    ],
)
def test_a_row_that_this_version_cannot_use_is_refused_in_a_short_line(wrong: dict[str, Any]) -> None:
    """A newer version may have written it."""
    agreement = joined()
    agreement.on_rows([{**shared(3, NEW).row(), **wrong}])
    assert agreement.refused and len(agreement.refused) < 300 and agreement.refused.isprintable()
    assert (agreement.pending, agreement.is_settled, agreement.text) == (None, True, FILE)


def test_whoever_changed_it_is_shown_without_harm() -> None:
    read = read_shared([{**shared(3, NEW).row(), "changed_by": "east\n\x1b[31m" + "x" * 10_000, "changed_at": ""}])
    assert isinstance(read, SharedConfiguration)
    assert str(read).isprintable() and len(str(read)) < 300


def test_a_text_that_is_too_long_for_a_cluster_is_refused_before_it_is_committed() -> None:
    assert "expected at most" in str(joined().objection("x" * (MAX_TEXT + 1), Basis.FILE))
    assert joined().objection("x" * MAX_TEXT, Basis.FILE) is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ((), "the order of commands"),
        (("+ a / b",), "only in the file: 'a / b'"),
        (("- a", "+ b", "- c"), "only in the file: 'b'; only in force: 'a', 'c'"),
        (tuple(f"+ {number}" for number in range(9)), "only in the file: '0', '1', '2' and 6 more"),
    ],
)
def test_one_line_says_what_differs(changes: tuple[str, ...], line: str) -> None:
    assert differences(changes, "in the file", "in force") == line


@pytest.mark.parametrize("newest", [None, shared(4, NEW)])
def test_the_next_revision_is_above_all_that_were_seen(newest: Optional[SharedConfiguration]) -> None:
    agreement = joined(shared(3, FILE))
    if newest is not None:
        agreement.on_rows([newest.row()])
    assert agreement.next(NEWEST, "east: command", AT).revision == (4 if newest is None else 5)


def test_a_path_that_is_no_text_is_published_as_one() -> None:
    """The database's messages are UTF-8."""
    assert joined().next(NEW, "east: /etc/\udcff.ios", AT).changed_by == "east: /etc/\\udcff.ios"


def test_what_all_members_refuse_may_be_replaced_at_any() -> None:
    """No member has it in force, so that nothing is lost. Before, only a change of the database was a way out."""
    agreement = joined(shared(3, FILE))
    agreement.on_rows([shared(9, NEW).row()])
    agreement.on_refused(shared(9, NEW), "line 1: unknown command")
    assert agreement.objection(FILE, Basis.FILE, ["west"]) is not None
    assert agreement.objection(FILE, Basis.FILE) is None
    replacement = agreement.next(FILE, "east: command", AT)
    assert replacement.revision == 10
    agreement.on_committed(replacement)
    agreement.on_applied(replacement)
    assert (agreement.refused, agreement.pending, agreement.shared) == ("", None, replacement)


def test_a_command_replaces_nothing_that_this_member_refuses() -> None:
    """A newer version may have written it, and its members may be away: what they have must not go with one command."""
    agreement = joined(shared(3, FILE))
    agreement.on_rows([{**shared(9, NEW).row(), "format": "ios-99"}])
    objection = str(agreement.objection(FILE, Basis.IN_FORCE))
    assert "ios-99" in objection
    assert "'haslb configure --from-file' replaces it" in objection


@pytest.mark.parametrize("form", ["yaml", ""])
def test_a_row_that_no_version_can_use_may_be_replaced_at_any(form: str) -> None:
    agreement = joined(shared(3, FILE))
    agreement.on_rows([{**shared(9, NEW).row(), "format": form}])
    assert agreement.objection(FILE, Basis.FILE) is None


@pytest.mark.parametrize("revision", [MAX_REVISION + 1, (1 << 63) - 1])
def test_a_revision_that_no_member_commits_is_refused_and_may_be_replaced_at_any_member(revision: int) -> None:
    """The one after the largest integer of OVSDB could not be committed: nothing could be configured any more."""
    agreement = joined(shared(3, FILE))
    agreement.on_rows([shared(revision, NEW).row()])
    assert (agreement.text, agreement.pending, agreement.is_settled) == (FILE, None, True)
    assert agreement.refused == (
        f"revision {revision} is none that a member commits; 'haslb configure' at any member replaces it"
    )
    assert agreement.objection(FILE, Basis.IN_FORCE) is None
    assert agreement.next(FILE, "east: command", AT).revision == 4
    agreement.on_rows([shared(4, FILE).row()])
    assert (agreement.refused, agreement.is_replaceable) == ("", False)


def test_the_revision_after_the_largest_is_the_first() -> None:
    assert joined(shared(MAX_REVISION, FILE)).next(NEW, "east: command", AT).revision == 1


def test_what_this_member_has_committed_and_applied_is_in_force_before_the_database_shows_it() -> None:
    """What it shows until then is older, and must not be applied again; a newer one must."""
    agreement = joined(shared(3, FILE))
    agreement.on_committed(shared(4, NEW))
    assert (agreement.text, agreement.pending) == (FILE, shared(4, NEW))
    agreement.on_applied(shared(4, NEW))
    assert (agreement.text, agreement.pending, agreement.objection(FILE, Basis.IN_FORCE)) == (NEW, None, None)
    agreement.on_rows([shared(6, NEWEST).row()])
    agreement.on_committed(shared(5, FILE))
    agreement.on_applied(shared(5, FILE))
    assert agreement.pending == shared(6, NEWEST)


def test_what_was_refused_late_does_not_hide_what_the_database_shows_now() -> None:
    """It takes a while to read a large configuration; meanwhile the row may have changed."""
    agreement = joined(shared(3, NEW))
    agreement.on_rows([shared((1 << 63) - 1, NEW).row()])
    agreement.on_refused(shared(3, NEW), "line 1: unknown command")
    assert "none that a member commits" in agreement.refused
    agreement.on_rows([shared(4, FILE).row()])
    agreement.on_refused(shared(3, NEW), "line 1: unknown command")
    assert (agreement.refused, agreement.pending) == ("", None)


def test_what_was_applied_late_does_not_hide_what_is_refused_now() -> None:
    agreement = joined(shared(3, NEW))
    agreement.on_rows([shared((1 << 63) - 1, NEW).row()])
    agreement.on_applied(shared(3, NEW))
    assert "none that a member commits" in agreement.refused
