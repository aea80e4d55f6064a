"""What the operator is asked before a file is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

import pytest

from ryu_haslb.cli import operator
from ryu_haslb.cli.client import ControlClient
from ryu_haslb.cli.operator import FAILED, Operator


@pytest.mark.parametrize(
    ("plan", "answer", "status", "is_applied"),
    [
        ("no changes\n", None, 0, True),
        ("+ hostname a\nno session ends or moves\n", "yes", 0, True),
        ("+ hostname a\nno session ends or moves\n", "no", FAILED, False),
    ],
)
def test_a_file_is_applied_without_a_question_only_if_it_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, plan: str, answer: Optional[str], status: int, is_applied: bool
) -> None:
    """A retired balancer serves its switches again when the configuration in force is applied."""
    sent: list[Sequence[str]] = []

    def ask(_: ControlClient, words: Sequence[str]) -> Iterator[bytes]:
        sent.append(words)
        return iter([f"{plan}apply exactly this with: --plan 0123456789ab\n".encode()])

    monkeypatch.setattr(ControlClient, "ask", ask)
    monkeypatch.setattr(operator, "_is_interactive", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert Operator("/nowhere", {}).run(["configure", "/new.ios"]) == status
    assert sent[0] == ["configure", "/new.ios", "--dry-run"]
    assert (sent[1:] == [["configure", "/new.ios", "--plan", "0123456789ab"]]) is is_applied
