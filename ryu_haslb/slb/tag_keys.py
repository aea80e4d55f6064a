"""The secrets that the tags of sessions are hashed with.

A tag is a hash of the mobile's identity. A sender that could compute tags could also find two NAIs with one tag, and so
claim the session of another mobile after a restart. So each balancer has a secret key of its own. The rules on a switch
bear tags, and outlive the balancer: so the key is on the switch as well
(:mod:`ryu_haslb.openflow.sessions.tag_key_reading`), and the balancer that serves it next adopts that key::

    the first switch has a key               -> it becomes the key of new tags here
    it has none, but rules of our kind       -> an earlier version served it: its tags are hashed without a key
    a further switch has another key         -> rules with tags of that key are recovered as well; new tags keep ours

A switch holds the keys of all its rules, so that a second restart loses none. A host that passes for a switch can
report any keys, and as many as it likes. So the session of a request is always looked for by the keys of the switch at
which it arrives; those that others report displace no key of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from ryu_haslb.slb.session_tag import UNKEYED

#: Keys of one switch, and former keys of all switches, that are remembered; of older ones no session can be recovered.
MAX_KEYS: Final = 4


class TagKeys:
    """The keys in use. Iteration yields ``current``, the key of new tags, and then those of earlier tags."""

    def __init__(self, key: bytes = UNKEYED) -> None:
        self.current = key
        self._former: list[bytes] = []
        self._of_switch: dict[int, list[bytes]] = {}
        self._is_in_use = False

    def __iter__(self) -> Iterator[bytes]:
        yield self.current
        yield from self._former

    def of_switch(self, datapath_id: int) -> list[bytes]:
        """By which keys the sessions of requests at a switch are looked for: ``current``, its own, those of others."""
        return list(dict.fromkeys([self.current, *self._of_switch.get(datapath_id, ()), *self._former]))

    def every(self) -> list[bytes]:
        """All keys that a session may be recovered by: those in use, and those that any switch has."""
        return list(dict.fromkeys(chain(self, *self._of_switch.values())))

    def adopt(self, found: Iterable[bytes], datapath_id: int) -> None:
        """These keys were found on a switch, the key of its newest rules first."""
        found = list(found)
        if found:
            self._of_switch[datapath_id] = found[:MAX_KEYS]
        if found and not self._is_in_use and found[0] != UNKEYED:
            self.current = found[0]
        self._is_in_use = True
        former = dict.fromkeys([*self._former, *found])
        former.pop(self.current, None)
        self._former = list(former)[-(MAX_KEYS - 1) :]

    def forget(self, datapath_id: int) -> None:
        """A switch is not known any more."""
        self._of_switch.pop(datapath_id, None)
