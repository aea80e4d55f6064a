"""Where the shell enters ``haslb``: Ctrl-C ends it without a traceback also while its modules are being imported.

On a busy machine that takes a second, in which an operator may think better of a command.
"""

from __future__ import annotations

import signal


def end_at_interrupt() -> bool:
    """Have SIGINT end this process at once. False if it is ignored, as in the background of a script."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return True
    return False


def main() -> int:
    """Run ``haslb`` and return its exit status."""
    is_ending = end_at_interrupt()
    from ryu_haslb.cli import command_line  # noqa: PLC0415 - not before an interrupt is taken

    if is_ending:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return command_line.main()
    except KeyboardInterrupt:  # while the end of the program that reads our output is being handled
        return 130
