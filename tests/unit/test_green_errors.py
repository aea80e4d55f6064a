"""An error that ends a green thread is a line of the log, within its limits, and not a print of eventlet."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, sys, eventlet
logging.basicConfig(level=logging.INFO, format="LOG %(message)s", stream=sys.stderr)
from ryu_haslb import log_limit
from ryu_haslb.green_errors import log_uncaught_errors
log_limit.install()
log_uncaught_errors()

def fail():
    raise ValueError("forged\\nLOG line")

for _ in range(1000):
    eventlet.spawn(fail)
eventlet.sleep(0)
eventlet.spawn_after(0, print, "still running", flush=True)
eventlet.sleep(0.01)
"""


def test_errors_that_nothing_catches_are_logged_within_the_limits() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "still running\n"
    lines = done.stderr.splitlines()
    logged = [line for line in lines if line.startswith("LOG ")]
    assert set(logged) == {"LOG uncaught ValueError in a green thread, which has ended"}
    assert len(logged) == 50
    assert all(line.startswith(("LOG ", "  | ")) for line in lines)
