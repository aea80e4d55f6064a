"""Packets that security associations have carried, those included that are gone: charon forgets them."""

from __future__ import annotations

from collections.abc import Iterable

from ryu_haslb.ipsec.associations import ChildAssociation, IkeAssociation


class Carried:
    """Counts what is gone: ``encaps`` left encrypted, ``decaps`` came encrypted. Feed it with what charon tells of
    associations as they end, and with what it lists."""

    def __init__(self) -> None:
        self.encaps = 0
        self.decaps = 0
        self._known: dict[int, ChildAssociation] = {}
        self._settled = 0

    def told(self, associations: Iterable[IkeAssociation]) -> None:
        """What charon said about some of them; it may say it late."""
        for child in _children(associations):
            if child.number in self._known or child.number > self._settled:
                self._known[child.number] = child

    def listed(self, associations: Iterable[IkeAssociation]) -> None:
        """All that there are now: others are gone, with what they last were said to have carried."""
        now = {child.number: child for child in _children(associations)}
        for number in self._known.keys() - now.keys():
            self.encaps += self._known[number].packets_out
            self.decaps += self._known[number].packets_in
            self._settled = max(self._settled, number)
        self._known = now

    def ended(self) -> None:
        """charon itself is gone; the next one numbers its associations from 1 again."""
        self.listed(())
        self._settled = 0

    def clear(self) -> None:
        """Start again at 0."""
        self.encaps = self.decaps = 0


def _children(associations: Iterable[IkeAssociation]) -> Iterable[ChildAssociation]:
    return (child for association in associations for child in association.children)
