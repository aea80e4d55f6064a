"""The health of a real server as failure detection sees it: a state machine, drawn in ``docs/states.md``."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Health(Enum):
    """The health of a real server, as failure detection sees it (IOS SLB)."""

    OPERATIONAL = "OPERATIONAL"
    FAILED = "FAILED"
    READY_TO_TEST = "READY_TO_TEST"
    TESTING = "TESTING"
    #: It has failed, and serves as long as no other real server of its farm can.
    DEMOTED = "DEMOTED"
    #: It does not answer a probe of its farm (:mod:`.probing`).
    PROBE_FAILED = "PROBE_FAILED"


class HealthEvent(Enum):
    """What changes a real server's health; the text labels an arrow in ``docs/states.md``."""

    FAILURE_THRESHOLD = "numconns failures from numclients clients"
    LAST_FAILED = "the same, and no other real server can serve"
    NO_OTHER_SERVES = "no other real server can serve"
    OTHER_SERVES = "another real server can serve"
    SESSION_SUCCEEDED = "a session is not retried"
    RETRY_TIME_OVER = "retry time is over"
    TEST_STARTED = "next session is assigned"
    TEST_SUCCEEDED = "the session is not retried"
    TEST_FAILED = "the session is retried"
    TEST_ABANDONED = "the session is cleared, closed or moved"
    DFP_REPORT = "DFP weight above 0"
    REPLY_SEEN = "a reply is seen"
    DETECTION_OFF = "no faildetect inband"
    PROBE_UNANSWERED = "a probe is not answered"
    LAST_UNANSWERED = "a probe is not answered, and no other real server can serve"
    PROBES_ANSWERED = "all probes are answered, or removed"


#: The whole state machine; ``docs/states.md`` is drawn from it. A pair that is not here leaves the health as it is.
HEALTH_TRANSITIONS: Final[dict[tuple[Health, HealthEvent], Health]] = {
    (Health.OPERATIONAL, HealthEvent.FAILURE_THRESHOLD): Health.FAILED,
    (Health.OPERATIONAL, HealthEvent.LAST_FAILED): Health.DEMOTED,
    (Health.FAILED, HealthEvent.RETRY_TIME_OVER): Health.READY_TO_TEST,
    (Health.FAILED, HealthEvent.NO_OTHER_SERVES): Health.DEMOTED,
    (Health.FAILED, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.READY_TO_TEST, HealthEvent.TEST_STARTED): Health.TESTING,
    (Health.READY_TO_TEST, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.TEST_SUCCEEDED): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.TEST_FAILED): Health.FAILED,
    (Health.TESTING, HealthEvent.TEST_ABANDONED): Health.READY_TO_TEST,
    (Health.TESTING, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.FAILED, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.READY_TO_TEST, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.DEMOTED, HealthEvent.DETECTION_OFF): Health.OPERATIONAL,
    (Health.DEMOTED, HealthEvent.SESSION_SUCCEEDED): Health.OPERATIONAL,
    (Health.DEMOTED, HealthEvent.OTHER_SERVES): Health.FAILED,
    (Health.DEMOTED, HealthEvent.DFP_REPORT): Health.OPERATIONAL,
    (Health.FAILED, HealthEvent.REPLY_SEEN): Health.OPERATIONAL,
    (Health.READY_TO_TEST, HealthEvent.REPLY_SEEN): Health.OPERATIONAL,
    (Health.TESTING, HealthEvent.REPLY_SEEN): Health.OPERATIONAL,
    (Health.DEMOTED, HealthEvent.REPLY_SEEN): Health.OPERATIONAL,
    (Health.OPERATIONAL, HealthEvent.PROBE_UNANSWERED): Health.PROBE_FAILED,
    (Health.OPERATIONAL, HealthEvent.LAST_UNANSWERED): Health.DEMOTED,
    (Health.FAILED, HealthEvent.PROBE_UNANSWERED): Health.PROBE_FAILED,
    (Health.READY_TO_TEST, HealthEvent.PROBE_UNANSWERED): Health.PROBE_FAILED,
    (Health.TESTING, HealthEvent.PROBE_UNANSWERED): Health.PROBE_FAILED,
    (Health.PROBE_FAILED, HealthEvent.NO_OTHER_SERVES): Health.DEMOTED,
    (Health.PROBE_FAILED, HealthEvent.PROBES_ANSWERED): Health.OPERATIONAL,
    (Health.PROBE_FAILED, HealthEvent.REPLY_SEEN): Health.OPERATIONAL,
    (Health.DEMOTED, HealthEvent.PROBES_ANSWERED): Health.OPERATIONAL,
}
