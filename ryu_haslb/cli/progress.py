"""A progress bar on a terminal; elsewhere nothing."""

from __future__ import annotations

from typing import Optional, TextIO

_WIDTH = 30
_ERASE = "\r\033[K"
#: Characters of a line, at most: a longer one would wrap and could not be erased.
_MAX_LENGTH = 78


class ProgressBar:
    """Draws to a stream if that is a terminal."""

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None

    def show(self, share: float, text: str) -> None:
        """Draw the share that is done, from 0 to 1, and what is done now."""
        if self._stream is not None:
            done = round(share * _WIDTH)
            line = f"[{'#' * done}{'-' * (_WIDTH - done)}] {share:4.0%} {text}"
            self._stream.write(_ERASE + line[:_MAX_LENGTH])
            self._stream.flush()

    def clear(self) -> None:
        """Erase the bar."""
        if self._stream is not None:
            self._stream.write(_ERASE)
            self._stream.flush()
