"""Loads a configuration file, in the language of IOS or in YAML.

A full disk or a broken transfer may leave a part of a file that is valid by itself, and would end the sessions of all
that it lacks. IOS writes a heading above a configuration and ``end`` below it, and so does :func:`framed`. A file with
such a heading must have the last line as well.
"""

from __future__ import annotations

import os
import pwd
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, Callable, Optional

from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.language.diagnostics import ConfigurationError, Diagnostic
from ryu_haslb.regular_file import AnyPath, open_regular

#: Bytes of a configuration file.
MAX_FILE_SIZE = 16 * 1024 * 1024
_YAML_SUFFIXES = (".yaml", ".yml")
_WRITTEN = "written by 'write memory'; the last line is"
#: Where a heading is: that of :func:`framed`, or one of ``show running-config``, here and on IOS.
_HEADING_SIZE = 1000
_HEADING = re.compile(
    rb"^[ \t]*((?P<written>[!#] %s)|Building configuration\.\.\.|Current configuration *:)" % _WRITTEN.encode(),
    re.MULTILINE,
)


def is_yaml(path: str) -> bool:
    """Whether a file is YAML, as its name says."""
    return path.endswith(_YAML_SUFFIXES)


def framed(text: str, path: str) -> str:
    """A configuration as it is written to the file ``path``, with heading and last line."""
    comment, begin = ("#", text or "{}\n") if is_yaml(path) else ("!", text)
    return f"{comment} {_WRITTEN} '{_last_line(path)}'\n{begin}{_last_line(path)}\n"


def _last_line(path: str) -> str:
    return "..." if is_yaml(path) else "end"


@dataclass(frozen=True)
class Loaded:
    """A usable configuration, and the warnings of its reader."""

    configuration: Configuration
    warnings: tuple[Diagnostic, ...]


def load(
    path: AnyPath, base: Optional[Configuration] = None, opened: Callable[[AnyPath], BinaryIO] = open_regular
) -> Loaded:
    """Load a configuration file: YAML if its name ends in .yaml or .yml, the language of IOS otherwise.

    With ``base`` the file is merged into that configuration, as if its commands were typed after it. ``opened`` opens
    the file; by default it has to be a regular one.

    Raises :class:`ConfigurationError` if the file cannot be read or has errors.
    """
    source = os.fspath(path)
    try:
        with opened(path) as stream:
            return load_stream(stream, source, base)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise _unreadable(source, error) from error


def load_stream(stream: BinaryIO, source: str, base: Optional[Configuration] = None) -> Loaded:
    """Load a configuration from an open stream. ``source`` is its name in errors; the suffix decides the form.

    ``base`` is as for :func:`load`.

    Raises :class:`ConfigurationError` if the stream cannot be read or has errors.
    """
    try:
        data = stream.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise _unreadable(source, error) from error
    if len(data) > MAX_FILE_SIZE:
        raise ConfigurationError([Diagnostic(source, 0, f"too large; expected at most {MAX_FILE_SIZE >> 20} MiB")])
    if not data.strip():  # what a full disk leaves of a file; it must not end every session
        mark = "{}" if is_yaml(source) else "!"
        text = f"empty; expected a configuration, or the line '{mark}' for one without commands"
        raise ConfigurationError([Diagnostic(source, 0, text)])
    further = _missing_end(data, source)
    if b"\0" in data:  # UTF-16, or what a crash leaves of a file
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise ConfigurationError([Diagnostic(source, line, "not UTF-8, it has null characters; expected text")])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        diagnostic = Diagnostic(source, data.count(b"\n", 0, error.start) + 1, "not UTF-8; expected text")
        if is_yaml(source):
            raise ConfigurationError([diagnostic]) from error
        # IOS has no encoding: remarks, descriptions and banners hold the bytes that a terminal has sent.
        text = data.decode("latin-1")
        further.append(replace(diagnostic, text="not UTF-8; the file is read as Latin-1"))
    configuration, warnings = _read(text, source, base)
    return Loaded(configuration, tuple(sorted((*warnings, *further), key=lambda each: each.line)))


def _read(text: str, source: str, base: Optional[Configuration]) -> tuple[Configuration, tuple[Diagnostic, ...]]:
    """Read a text in the form that the name of its file says. Raises: ConfigurationError."""
    if not is_yaml(source):
        return read_configuration(text, source, base)
    from ryu_haslb.configuration.yaml.reader import read_yaml  # noqa: PLC0415 - 13 ms of each start, and few use YAML

    return read_yaml(text, source, base)


def _missing_end(data: bytes, source: str) -> list[Diagnostic]:
    """A warning if a file with a heading of IOS lacks the last line; an operator may have pasted a part on purpose.

    Raises: ConfigurationError if the balancer has written the file, and its last line is missing.
    """
    last = _last_line(source)
    heading = _HEADING.search(data[:_HEADING_SIZE])
    if heading is None or re.search(rb"^[ \t]*%s[ \t\r]*$" % re.escape(last).encode(), data, re.MULTILINE):
        return []
    begin = data.count(b"\n", 0, heading.start()) + 1
    text = f"cut off: line {begin} says that this file ends with '{last}', and it does not; expected the whole file"
    diagnostic = Diagnostic(source, data.count(b"\n") + 1, text)
    if heading["written"]:
        raise ConfigurationError([diagnostic])
    return [
        replace(
            diagnostic,
            text=f"it may be cut off: expected '{last}' at the end of the configuration that line {begin} begins",
        )
    ]


def _unreadable(source: str, error: Exception) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    expected = "a file"
    if isinstance(error, PermissionError):
        with suppress(KeyError):
            expected = f"a file that the user {pwd.getpwuid(os.geteuid()).pw_name} may read"
    return ConfigurationError([Diagnostic(source, 0, f"cannot be read: {reason}; expected {expected}")])
