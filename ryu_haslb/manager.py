"""The ``ryu-manager`` command: the engine's manager, with threads patched before the engine is imported.

This is not part of :mod:`ryu_haslb.engine`, because the engine makes its first locks while it is imported: eventlet has
to patch ``threading`` before that, and only in a process that runs the engine.
"""

from __future__ import annotations

import os
import warnings


def main() -> None:
    """Patch threads and sockets, then run the engine's manager.

    Eventlet's warning that it is deprecated is suppressed: an operator cannot act on it, since Ryu needs eventlet.
    Eventlet's own resolver is left out: the balancer connects to addresses only, and the resolver is 0.25 s of 0.9 s of
    processor time at each start.
    """
    warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    import eventlet  # noqa: PLC0415

    eventlet.monkey_patch()
    from ryu_haslb.engine import run_manager  # noqa: PLC0415 - not before threads are patched

    run_manager()
