"""What an operator can change in a running balancer: sessions, counters, IPsec associations; and what all this acts on.

The commands of the control socket and HTTP call these functions. An operation returns values; each caller words them in
its own way. The configuration is changed in :mod:`.configuring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Callable, Optional, Protocol

import eventlet
import eventlet.semaphore

from ryu_haslb.cluster.configuration_rows import Basis
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.control.crypto import counters_path, vici_path
from ryu_haslb.control.rollback import Rollback
from ryu_haslb.control.startup_file import StartupFile
from ryu_haslb.errors import HaslbError
from ryu_haslb.ipsec import charon, module
from ryu_haslb.ipsec.translation import secured_interfaces
from ryu_haslb.show.redundancy import standing_by
from ryu_haslb.show.sources import Sources
from ryu_haslb.slb.session_filter import EVERY_SESSION, SessionFilter

#: Seconds that the switches have to confirm that our rules are removed: a full table may take some.
RETIRE_TIMEOUT = 30.0


class Application(Protocol):
    """The running balancer that operations act on."""

    @property
    def sources(self) -> Sources:
        """What ``show`` reads from."""

    @property
    def startup_file(self) -> StartupFile:
        """The file that this balancer was started with."""

    @property
    def rollback(self) -> Rollback:
        """The change that waits to be confirmed, if there is one."""

    def commit_configuration(self, text: str, source: str, basis: Basis) -> Callable[[], Iterable[str]]:
        """Make a checked configuration that of all members of the cluster, if there is one.

        The function that is returned is to be called when it is in force here. It returns notes about members that have
        not applied it; to get them takes up to some seconds.

        Raises: ConfigurationError if that is not possible; then nothing changes. UndecidedError.
        """

    def configure(self, configuration: Configuration) -> None:
        """Replace the configuration in force."""

    def clear_sessions(self, wanted: SessionFilter) -> Iterator[int]:
        """End the sessions that a filter selects, slice by slice: the numbers of sessions that ended.

        Raises: UnknownObjectError.
        """

    def clear_counters(self) -> None:
        """Set every counter to zero."""

    def retire(self) -> Mapping[int, Optional[bool]]:
        """Remove our rules from every switch, and serve none until the next configuration.

        Returns what is known of each switch, by datapath id, kept up to date: None before the switch replies.
        """

    def end_retirement(self) -> None:
        """Serve the switches again, with the configuration in force, if :meth:`retire` has ended that."""


class UnconfirmedError(HaslbError):
    """A switch has not confirmed that our rules are removed."""


class StandingByError(HaslbError):
    """This balancer stands by; the text names the member of the cluster that leads."""


class UndecidedError(HaslbError):
    """The database of the cluster has not answered: whether the configuration has changed is not known yet."""


def require_leader(application: Application) -> None:
    """Refuse what only the balancer that serves the switches can do. Raises: StandingByError with the leader's name."""
    text = standing_by(application.sources)
    if text is not None:
        member = application.sources.member
        has_leader = member is not None and member.leader
        raise StandingByError(f"{text}; {'give the command there' if has_leader else 'try again when one does'}")


def clear_sessions(application: Application, wanted: SessionFilter = EVERY_SESSION) -> int:
    """End the sessions that a filter selects, and return their number.

    Requests are served between two slices. Sessions that begin meanwhile stay.

    Raises: UnknownObjectError.
    """
    total = 0
    for ended in application.clear_sessions(wanted):
        total += ended
        eventlet.sleep(0)
    return total


def clear_counters(application: Application) -> None:
    """Set every counter of the balancer to zero."""
    application.clear_counters()


def retire(application: Application, clock: Callable[[], float]) -> Iterator[Optional[str]]:
    """Remove our rules from every switch, and serve none until the next configuration. Other traffic stays switched.

    The lines of the answer, one for each switch when it confirms; None is a pause. It begins with the first line.

    Raises: UnconfirmedError if a switch rejects it, or does not confirm within :data:`RETIRE_TIMEOUT`.
    """
    removed = application.retire()
    deadline = clock() + RETIRE_TIMEOUT
    reported: set[int] = set()
    while clock() < deadline and len(reported) < len(removed):
        for datapath_id in [each for each, success in removed.items() if success and each not in reported]:
            reported.add(datapath_id)
            yield f"switch {datapath_id:016x}: our rules are removed"
        if any(success is False for success in removed.values()):
            break
        yield None
    failed = [f"{each:016x}" for each in removed if each not in reported]
    if failed:
        raise UnconfirmedError(
            f"no confirmation from {' and '.join(failed)}; rules with our mark may be left there, see docs/flows.md"
        )
    yield f"{len(removed)} switches retired; none is served until 'configure' or a new start"


def clear_ipsec(application: Application) -> int:
    """End the IPsec security associations and set the module's counters to zero; return the number of pairs.

    Traffic that needs protection negotiates new associations.

    Raises: CharonError or ModuleError if the IPsec module cannot be asked.
    """
    configuration = application.sources.configuration
    count = charon.clear_ipsec(vici_path()) if secured_interfaces(configuration) else 0
    path = counters_path(configuration)
    if path:
        module.clear_counters(path)
    return count


def clear_isakmp(application: Application) -> int:
    """End the ISAKMP (IKE) security associations, and with them those of IPsec; return their number.

    Raises: CharonError if the IPsec module cannot be asked.
    """
    return charon.clear_isakmp(vici_path()) if secured_interfaces(application.sources.configuration) else 0
