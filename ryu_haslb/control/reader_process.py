"""Reads a configuration while requests are served: a small one here, any other in a process (:mod:`.reading`).

The process gets the job on its standard input and writes the outcome to its standard output, both in small pieces:
other green threads run between two pieces, and while the process works. It is killed after :data:`READER_TIMEOUT`.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

import eventlet
from eventlet.green import subprocess

from ryu_haslb.control.reading import Assembly, Job, Outcome, pieces, read
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic

#: Bytes of commands, and real servers of the configuration in force, up to which reading takes a few milliseconds only.
#: The start of a process takes longer and costs more.
MAX_READ_HERE = 1024
MAX_REALS_HERE = 20
#: Seconds that the process may take. 5,000 real servers take some 5 s.
READER_TIMEOUT = 120.0
#: The process finds modules where this one does, and nowhere else: not in the working directory, for example.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from ryu_haslb.control.reading import main; main()"


def read_aside(job: Job) -> Outcome:
    """Read a configuration; other green threads go on meanwhile.

    Raises: ConfigurationError if it has an error, or if it cannot be read within :data:`READER_TIMEOUT`.
    """
    return read(job) if _is_small(job) else _read_in_process(job)


def _is_small(job: Job) -> bool:
    if sum(len(farm.reals) for farm in job.before.farms.values()) > MAX_REALS_HERE:
        return False
    given = job.commands if job.text is None else job.text
    if given is not None:
        return len(given) <= MAX_READ_HERE
    try:
        found = os.stat(job.source)
    except (OSError, ValueError):  # reading reports the error
        return True
    return 0 < found.st_size <= MAX_READ_HERE  # what has no size may have no end, as some files in /proc


def _read_in_process(job: Job) -> Outcome:
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-W", "ignore", "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise _failed(job, f"the process that reads it cannot be started ({error})") from error
    try:
        with eventlet.Timeout(READER_TIMEOUT, False):
            answer = _exchange(process, job)
            status = process.wait()
            if status == 0:
                return _outcome(job, answer)
            raise _failed(job, f"the process that reads it ended ({_ending(status)})")
        raise _failed(job, f"reading it takes more than {READER_TIMEOUT:g} s")
    except (EOFError, OSError, ValueError) as error:
        raise _failed(job, f"the process that reads it ended early ({error})") from error
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
        process.stdin.close()
        process.stdout.close()


def _exchange(process: Any, job: Job) -> bytes:
    """Send the job to the process, and return its answer."""
    parts = []
    for piece in pieces((job.source, job.commands, job.text, job.is_merged), job.before):
        parts.append(piece)
        eventlet.sleep(0)
    answer, _ = process.communicate(b"".join(parts))
    return bytes(answer)


def _outcome(job: Job, answer: bytes) -> Outcome:
    assembly = Assembly(io.BytesIO(answer))
    for _ in assembly.steps():
        eventlet.sleep(0)
    frame, configuration = assembly.result()
    if frame and isinstance(frame[0], Diagnostic):
        raise ConfigurationError(frame)
    return Outcome(configuration, *frame)


def _ending(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name


def _failed(job: Job, reason: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic(job.source, 0, f"{reason}; try again, and see the log")])
