"""The ``ryu-manager`` command: Ryu's own, made to start with a current eventlet."""

from __future__ import annotations

import warnings


def main() -> None:
    """Run Ryu's manager.

    Its HTTP module imports a name that eventlet dropped in 0.30.3; any object will do. Threads are patched before Ryu
    makes its first lock, and that eventlet is deprecated is no news to whoever runs Ryu.
    """
    warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")
    import eventlet  # noqa: PLC0415
    import eventlet.wsgi  # noqa: PLC0415

    eventlet.monkey_patch()
    if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
        eventlet.wsgi.ALREADY_HANDLED = object()
    from ryu.cmd.manager import main as ryu_main  # noqa: PLC0415 - not before the name is there

    ryu_main()
