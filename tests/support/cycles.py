"""What is left in reference cycles, which only a collection of cycles frees."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycles_left() -> Iterator[None]:
    """Assert that the block leaves no object in a reference cycle; what was there before does not count."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert Counter(type(each).__qualname__ for each in gc.garbage) == {}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
