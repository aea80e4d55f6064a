"""How much the balancer remembers: the sizes of its containers, found by walking through its objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

_CONTAINERS = (dict, list, set, frozenset, tuple, deque)
_PRODUCT = "ryu_haslb."


def container_sizes(root: object, name: str) -> Iterator[tuple[str, int]]:
    """The path and length of each container that is reached from an object of the product, itself included."""
    seen: set[int] = set()
    stack: list[tuple[str, object]] = [(name, root)]
    while stack:
        path, found = stack.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, _CONTAINERS):
            if not isinstance(found, tuple):
                yield path, len(found)
            stack += [(f"{path}[]", each) for each in (found.values() if isinstance(found, dict) else found)]
        elif type(found).__module__.startswith(_PRODUCT):
            stack += [(f"{path}.{attribute}", value) for attribute, value in _attributes(found)]


def _attributes(found: object) -> Iterator[tuple[str, object]]:
    yield from vars(found).items() if hasattr(found, "__dict__") else ()
    for kind in type(found).__mro__:
        compiled = getattr(kind, "__mypyc_attrs__", ())  # where mypyc has compiled the class
        for attribute in (*getattr(kind, "__slots__", ()), *compiled):
            if attribute != "__dict__" and hasattr(found, attribute):
                yield attribute, getattr(found, attribute)
