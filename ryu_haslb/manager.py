"""The command that runs the balancer: the engine, with threads patched before the engine is imported.

This is not part of :mod:`ryu_haslb.engine`, because the engine makes its first locks while it is imported: eventlet has
to patch ``threading`` before that, and only in a process that runs the engine.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

from ryu_haslb.cli.entry import end_at_interrupt


def prepare() -> None:
    """Patch threads and sockets, and import the engine.

    Eventlet's warning that it is deprecated is suppressed: an operator cannot act on it, since the engine needs
    eventlet. Eventlet's own resolver is left out: the balancer connects to addresses only, and the resolver is 0.25 s
    of 0.9 s of processor time at each start.

    ``ryu-haslb.pth`` calls this when Ryu's own command ``ryu-manager`` starts, which does not run with an eventlet of
    this decade otherwise.
    """
    warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    gc.disable()  # what is imported is never garbage: a tenth of the processor time of a start
    import eventlet  # noqa: PLC0415

    eventlet.monkey_patch()
    _import_distutils_alone()
    import ryu_haslb.engine  # noqa: F401, PLC0415 - not before threads are patched

    gc.freeze()
    gc.enable()


def _import_distutils_alone() -> None:
    """Have Python's own distutils imported, which Ryu needs for one comparison, up to Python 3.11.

    setuptools puts a copy of its own in the place of it, and imports itself as well: 50 ms of processor time.
    """
    if sys.version_info >= (3, 12):  # Python has none
        return
    try:
        import _distutils_hack  # noqa: PLC0415 - is there with setuptools only
    except ImportError:
        return
    _distutils_hack.remove_shim()


def main() -> None:
    """Run the applications that the command line names.

    Until the application takes SIGINT it ends the process at once, without a traceback.
    """
    end_at_interrupt()
    try:
        prepare()
    except ImportError as error:
        raise SystemExit(f"ryu_haslb: {error}") from error
    from ryu_haslb.engine import run_manager  # noqa: PLC0415

    try:
        run_manager(sys.argv[1:])
    except SystemExit as error:
        if not isinstance(error.code, str):
            raise
        from ryu_haslb.log_format import as_error  # noqa: PLC0415 - logging makes locks while it is imported

        raise SystemExit(as_error(error.code, os.environ)) from error
