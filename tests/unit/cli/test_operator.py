"""What the operator is asked before a file is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

import pytest

from ryu_haslb.cli import operator
from ryu_haslb.cli.client import ControlClient
from ryu_haslb.cli.operator import FAILED, Operator

CHANGE = "+ hostname a\nno session ends or moves\n"


def requests_at_a_terminal(monkeypatch: pytest.MonkeyPatch, plan: str) -> list[Sequence[str]]:
    """What a balancer is sent that answers with this plan."""
    sent: list[Sequence[str]] = []

    def ask(_: ControlClient, words: Sequence[str]) -> Iterator[bytes]:
        sent.append(words)
        return iter([f"{plan}apply exactly this with: --plan 0123456789ab\n".encode()])

    monkeypatch.setattr(ControlClient, "ask", ask)
    monkeypatch.setattr(operator, "_is_interactive", lambda: True)
    return sent


@pytest.mark.parametrize(
    ("plan", "answer", "status", "is_applied"),
    [
        ("no changes\n", None, 0, True),
        (CHANGE, "yes", 0, True),
        (CHANGE, "no", FAILED, False),
    ],
)
def test_a_file_is_applied_without_a_question_only_if_it_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, plan: str, answer: Optional[str], status: int, is_applied: bool
) -> None:
    """A retired balancer serves its switches again when the configuration in force is applied."""
    sent = requests_at_a_terminal(monkeypatch, plan)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert Operator("/nowhere", {}).run(["configure", "/new.ios"]) == status
    assert sent[0] == ["configure", "/new.ios", "--dry-run"]
    assert (sent[1:] == [["configure", "/new.ios", "--plan", "0123456789ab"]]) is is_applied


@pytest.mark.parametrize(("line", "is_applied"), [("y", True), ("show version", False)])
def test_a_pasted_text_answers_the_question_with_its_next_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, is_applied: bool
) -> None:
    """As on IOS, where a pasted text is taken as if it were typed."""
    sent = requests_at_a_terminal(monkeypatch, CHANGE)
    asking = Operator("/nowhere", {})
    asking._pasted.extend([line, "show ip slb reals", ""])
    asking.run(["configure", "/new.ios"])
    assert len(sent) == 1 + is_applied
    assert f"Apply these changes? [no]: {line}\n" in capsys.readouterr().out
    assert list(asking._pasted) == ["show ip slb reals", ""]


@pytest.mark.parametrize("line", ["terminal length 0", "term width 132", "enable", "dis"])
def test_habits_of_ios_need_no_balancer_and_have_no_effect(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts that were written for IOS begin so."""
    assert Operator("/nowhere", {}).run(line.split()) == 0
    assert capsys.readouterr() == ("", "")
