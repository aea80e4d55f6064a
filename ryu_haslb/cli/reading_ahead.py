"""Reads an answer as it comes, however slowly it is taken, as by a pager: a balancer does not wait for its clients."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Event, Thread
from typing import Optional, Union


def read_ahead(pieces: Generator[bytes, None, None]) -> Iterator[bytes]:
    """The pieces of an answer, read in a thread and kept until they are taken. Raises: what they raise.

    If the caller stops taking them, reading ends with the next piece.
    """
    kept: SimpleQueue[Optional[Union[bytes, Exception]]] = SimpleQueue()
    is_given_up = Event()

    def read() -> None:
        try:
            for piece in pieces:
                kept.put(piece)
                if is_given_up.is_set():
                    break
            kept.put(None)
        except Exception as error:  # it is raised again where the pieces are taken
            kept.put(error)
        finally:
            pieces.close()

    Thread(target=read, daemon=True).start()
    try:
        while (found := kept.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found
    finally:
        is_given_up.set()
