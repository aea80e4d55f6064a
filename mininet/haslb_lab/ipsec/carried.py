"""Counters of packets that security associations carried, including associations that have ended.

charon keeps no counters of an association that has ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from ryu_haslb.ipsec.associations import ChildAssociation, IkeAssociation


class Carried:
    """Counts packets of ended associations: ``encaps`` were sent encrypted, ``decaps`` received encrypted.

    Its input is charon's events about associations, and charon's lists of them.
    """

    def __init__(self) -> None:
        self.encaps = 0
        self.decaps = 0
        self._known: dict[int, ChildAssociation] = {}
        self._settled = 0

    def on_event(self, associations: Iterable[IkeAssociation]) -> None:
        """Record charon's event about some associations. Events may come late."""
        for child in _children(associations):
            if child.number in self._known or child.number > self._settled:
                self._known[child.number] = child

    def on_list(self, associations: Iterable[IkeAssociation]) -> None:
        """Record the list of all current associations. The others have ended; their last known counters are final."""
        now = {child.number: child for child in _children(associations)}
        for number in self._known.keys() - now.keys():
            self.encaps += self._known[number].packets_out
            self.decaps += self._known[number].packets_in
            self._settled = max(self._settled, number)
        self._known = now

    def on_charon_ended(self) -> None:
        """End all associations: charon itself has ended. The next one numbers its associations from 1 again."""
        self.on_list(())
        self._settled = 0

    def clear(self) -> None:
        """Set the counters to zero."""
        self.encaps = self.decaps = 0


def _children(associations: Iterable[IkeAssociation]) -> Iterable[ChildAssociation]:
    return (child for association in associations for child in association.children)
