"""The configuration that the members of a simulated cluster share: the product's agreement, and its row.

What ``control/cluster_configuration.py`` does with green threads is done here with events. Reading the text of a
configuration is left out: ``texts`` has the world's parameters that each text stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Optional

from ryu_haslb.cluster.configuration_rows import CONFIGURATION, Basis, SharedConfiguration
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rows import Changes, Columns
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError
from ryu_haslb.configuration.ios.writer import write_configuration
from simulation.parameters import Parameters

if TYPE_CHECKING:
    from simulation.member import MemberController

#: Seconds that a member needs to read a configuration, and that an operator waits for a commit at the most.
READING_TIME = 0.02
COMMIT_TIMEOUT = 5.0
_COMMIT_INTERVAL = 0.01
_CHANGED_AT = "2026-01-01T00:00:00Z"


class SharedTexts:
    """The texts of all configurations that this world has seen, and what they stand for.

    ``accepted`` is the last change of an operator that was reported as done, unless the database is a new one since.
    """

    def __init__(self) -> None:
        self.accepted: Optional[SharedConfiguration] = None
        self._parameters: dict[str, Parameters] = {}

    def text_of(self, parameters: Parameters) -> str:
        """The configuration of these parameters as text."""
        text = write_configuration(parameters.configuration())
        self._parameters[text] = parameters
        return text

    def parameters_of(self, text: str) -> Parameters:
        """What a text stands for."""
        return self._parameters[text]

    def accept(self, shared: SharedConfiguration) -> None:
        """The operator is told that the change is done. Of two, the later may be told first."""
        if self.accepted is None or shared.revision > self.accepted.revision:
            self.accepted = shared


class MemberConfiguration:
    """One member's part of the agreement; ``text`` is that of the file that it was started with."""

    def __init__(self, controller: MemberController, text: str, texts: SharedTexts) -> None:
        self._controller = controller
        self._texts = texts
        self._member = member = controller.member
        self.agreement = member.agreement
        self.agreement.text = text
        self._starts = controller.starts
        member.shared.add(Publication(CONFIGURATION, lambda: None, self._wanted, self._on_rows))
        member.may_lead = lambda: self.agreement.is_settled

    def commit(self, text: str) -> None:
        """An operator changes the configuration of all members here; this may be refused."""
        if self.agreement.objection(text, Basis.IN_FORCE) is not None:
            return
        shared = self.agreement.next(text, self._member.name, _CHANGED_AT)
        try:
            commit = self._member.shared.change(Edit(CONFIGURATION, lambda rows: _replacement(rows, shared)))
        except NotConnectedError:
            return
        self._await(commit, shared, self._controller.clock.now + COMMIT_TIMEOUT)

    def _await(self, commit: Any, shared: SharedConfiguration, until: float) -> None:
        if self._controller.starts != self._starts or not self._controller.is_running:
            return
        outcome = commit.outcome()
        if outcome is None and self._controller.clock.now < until:
            self._controller.process.timers.after(_COMMIT_INTERVAL, self._await, commit, shared, until)
        elif outcome == "":
            self._texts.accept(shared)
            self.agreement.on_committed(shared)
            self._put_in_force(shared)

    def _on_rows(self, rows: Collection[Columns]) -> None:
        self.agreement.on_rows(rows)
        if self.agreement.pending is not None:
            self._controller.process.timers.after(READING_TIME, self._apply)

    def _wanted(self, rows: Collection[Columns], _: float) -> Iterable[Columns]:
        return self.agreement.rows_to_publish(rows, self._member.name, _CHANGED_AT)

    def _apply(self) -> None:
        shared = self.agreement.pending
        is_current = self._controller.is_running and self._controller.starts == self._starts
        if shared is not None and is_current:
            self._put_in_force(shared)

    def _put_in_force(self, shared: SharedConfiguration) -> None:
        self._controller.apply(shared.text)
        self.agreement.on_applied(shared)
        self._controller.on_applied()


def _replacement(rows: Mapping[Any, Columns], shared: SharedConfiguration) -> Changes:
    if not rows:
        return Changes(CONFIGURATION, insert=[shared.row()])
    return Changes(CONFIGURATION, update={identifier: shared.row() for identifier in rows}, verify="revision")
