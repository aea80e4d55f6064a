"""The configuration that all members of a cluster share, as this member reads, applies and changes it.

A change is checked here first and committed in one transaction, or refused (:meth:`ClusterConfiguration.commit`). Every
member applies what the database shows (:meth:`ClusterConfiguration.on_rows`), in a green thread of its own. One that
cannot, such as one of an older version, keeps what it has and says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Callable

import eventlet

from ryu_haslb.cluster.configuration_rows import CONFIGURATION, Basis, SharedConfiguration, differences
from ryu_haslb.cluster.member import Member
from ryu_haslb.cluster.member_rows import MemberInfo
from ryu_haslb.cluster.publisher import Publication
from ryu_haslb.cluster.rows import Changes, Columns
from ryu_haslb.cluster.shared_state import Edit, NotConnectedError
from ryu_haslb.control import configuring
from ryu_haslb.control.change_log import log_applied
from ryu_haslb.control.coalescing import Coalesced
from ryu_haslb.control.committing import COMMIT_INTERVAL, await_outcome
from ryu_haslb.control.configuring import Change
from ryu_haslb.control.operations import Application
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic

LOG = logging.getLogger(__name__)

#: Seconds for which the other members are waited for that are to apply it.
REPORT_TIMEOUT = 3.0
#: Errors of a configuration that the log names.
_MAX_ERRORS = 10


class ClusterConfiguration:
    """Shares the configuration of ``application``; ``text`` is the one that it has begun with, from its file.

    ``end_of_rollback`` returns what is committed together with a configuration that comes back.
    """

    def __init__(
        self,
        member: Member,
        application: Application,
        text: str,
        end_of_rollback: Callable[[], Sequence[Edit]] = tuple,
    ) -> None:
        self._end_of_rollback = end_of_rollback
        self.agreement = member.agreement
        self.agreement.text = text
        self._member = member
        self._application = application
        self._is_first = True
        self._applying = Coalesced("cluster: applying the configuration", self._apply)
        member.shared.add(
            Publication(CONFIGURATION, state=lambda: None, wanted=self._wanted, on_rows=self.on_rows),
        )
        member.may_lead = lambda: self.agreement.is_settled

    def on_rows(self, rows: Collection[Columns]) -> None:
        """The database shows these rows: apply what is new."""
        before = self.agreement.refused
        self.agreement.on_rows(rows)
        if self.agreement.refused not in ("", before):
            LOG.error("cluster: the shared configuration was not applied: %s", self.agreement.refused)
        if self.agreement.pending is not None:
            self._applying.request()
        elif rows:
            self._is_first = False

    def commit(self, text: str, source: str, basis: Basis) -> Callable[[], Iterable[str]]:
        """Make this text, which was checked, the configuration of all members. Without effect if it is so already.

        The function that is returned is to be called when the text is in force here: if that fails, it is applied again
        as if another member had committed it. The function returns notes about members that have not applied it; to get
        them takes up to :data:`REPORT_TIMEOUT`.

        Raises: ConfigurationError if it is not committed, UndecidedError if that is not known.
        """
        agreement, is_rollback = self.agreement, basis is Basis.ROLLBACK
        if text == agreement.text and agreement.shared is not None and not (agreement.refused or is_rollback):
            return tuple
        objection = agreement.objection(text, basis, self._member.others_without_refusal(time.monotonic()))
        if objection is not None:
            raise _not_committed(source, objection)
        shared = agreement.next(text, f"{self._member.name}: {source}", _now())
        edit = Edit(CONFIGURATION, lambda rows: _replacement(rows, shared))
        try:
            commit = self._member.shared.change(edit, *(self._end_of_rollback() if is_rollback else ()))
        except NotConnectedError as error:
            raise _not_committed(source, str(error)) from None
        outcome = await_outcome(commit, _UNDECIDED)
        if outcome:
            raise _not_committed(source, f"another member has changed it meanwhile ({outcome}); try again")
        agreement.on_committed(shared)
        LOG.info("cluster: %s committed", shared)
        return partial(self._on_applied, shared)

    def _on_applied(self, shared: SharedConfiguration) -> Iterator[str]:
        self.agreement.on_applied(shared)
        return self._reports(shared)

    def _reports(self, shared: SharedConfiguration) -> Iterator[str]:
        """Wait for the other members, and say which of them have not applied a configuration."""
        deadline = time.monotonic() + REPORT_TIMEOUT
        while (waiting := self._not_applied(shared)) and time.monotonic() < deadline:
            if all(member.refused for member in waiting):
                break
            eventlet.sleep(COMMIT_INTERVAL)
        for member in waiting:
            if member.refused:
                yield f"member {member.name} cannot apply it, and keeps what it has: {member.refused}"
            else:
                yield f"member {member.name} has not reported within {REPORT_TIMEOUT:g} s that it has applied it"

    def _not_applied(self, shared: SharedConfiguration) -> list[MemberInfo]:
        present = self._member.members.present(time.monotonic())
        return [each for each in present if each.name != self._member.name and each.revision != shared.revision]

    def report_file(self, path: str, changes: Iterable[str]) -> None:
        """Say how a file differs from what is in force. ``changes`` lead from what is in force to the file."""
        shared = self.agreement.shared or "the configuration of the start"
        found = list(changes)
        if found:
            line = differences(found, "in the file", "in force")
            LOG.warning("cluster: %s differs from what is in force, %s: %s. %s", path, shared, line, _FROM_FILE)
        else:
            LOG.info("cluster: %s is the same as what is in force, %s", path, shared)

    def _wanted(self, rows: Collection[Columns], _: float) -> Iterable[Columns]:
        return self.agreement.rows_to_publish(
            rows, f"{self._member.name}: {self._application.startup_file.path}", _now()
        )

    def _apply(self) -> None:
        shared, before, is_first = self.agreement.pending, self.agreement.shared, self._is_first
        if shared is None:
            return
        try:
            applied = configuring.apply_shared(
                self._application, shared.text, str(shared), lambda: self.agreement.pending == shared
            )
        except ConfigurationError as error:
            self.agreement.on_refused(shared, str(error.errors[0]))
            for each in error.errors[:_MAX_ERRORS]:
                LOG.error("cluster: %s", each)
            LOG.error("cluster: %s was not applied; what was in force before stays so here", shared)
        except Exception:  # while it is pending, this member could not lead
            self.agreement.on_refused(shared, "it cannot be applied here; see the log of this member")
            LOG.exception("cluster: %s cannot be applied", shared)
        else:
            if applied is not None:
                self.agreement.on_applied(shared)
                self._is_first = False
                self._log(shared, applied, is_first)
                if before is not None and shared.revision < before.revision:
                    LOG.warning("cluster: %s is older than what was in force here, %s", shared, before)
        if self.agreement.pending is not None:
            self._applying.request()

    def _log(self, shared: SharedConfiguration, applied: Change, is_first: bool) -> None:
        if not is_first:
            configuration = self._application.sources.configuration
            log_applied(f"cluster ({shared})", applied.changes, configuration, applied.consequences)
        elif applied.changes:
            line = differences(list(applied.changes), "in force", "in the file")
            path = self._application.startup_file.path
            LOG.warning("cluster: %s is in force; %s differs: %s. %s", shared, path, line, _FROM_FILE)
        else:
            LOG.info("cluster: %s is in force", shared)


_UNDECIDED = (
    "whether the configuration has changed is not known yet; when the database is back, all members have the same one: "
    "see 'show running-config'"
)
_FROM_FILE = "'haslb configure --from-file' makes the file the one in force"


def _replacement(rows: Mapping[Any, Columns], shared: SharedConfiguration) -> Changes:
    if not rows:
        return Changes(CONFIGURATION, insert=[shared.row()])
    return Changes(CONFIGURATION, update={identifier: shared.row() for identifier in rows}, verify="revision")


def _not_committed(source: str, reason: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic(source, 0, f"the configuration of the cluster was not changed: {reason}")])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
