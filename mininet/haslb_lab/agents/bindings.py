"""The mobility bindings of a home agent (RFC 5944 section 3.8.1)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from haslb_lab.node.deadlines import Deadlines
from ryu_haslb.errors import HaslbError
from ryu_haslb.mobile_ip.identity import Identity
from ryu_haslb.mobile_ip.registration import INFINITE_LIFETIME, Flags


class NoRoomError(HaslbError):
    """There is no binding or no home address left."""


class HomeAddressRefusedError(HaslbError):
    """The requested home address is not in the home network, or belongs to another mobile."""


@dataclass(frozen=True)
class Binding:
    """One mobile's registration.

    ``home_agent`` is the home agent's address in the reply, ``lifetime`` the granted lifetime in seconds. ``expires``
    is a time of the monotonic clock; None for an infinite lifetime.
    """

    identity: Identity
    home_address: IPv4Address
    home_agent: IPv4Address
    care_of_address: IPv4Address
    source: IPv4Address
    flags: Flags
    identification: int
    lifetime: int
    expires: Optional[float]


#: Called with each binding that is opened or renewed, and with None when it ends.
Watch = Callable[[Identity, Optional[Binding]], None]


def unwatched(_identity: Identity, _binding: Optional[Binding]) -> None:
    """Ignore the change."""


class HomeAddresses:
    """The addresses of the home network. They are assigned in order; released addresses come first."""

    def __init__(self, network: IPv4Network) -> None:
        self.network = network
        self._never_given = network.hosts()
        self._given_back: OrderedDict[IPv4Address, None] = OrderedDict()
        self._in_use: set[IPv4Address] = set()

    def assign(self) -> IPv4Address:
        """Assign a free address. Raises: NoRoomError."""
        if self._given_back:
            address, _ = self._given_back.popitem(last=False)
        else:
            free = (address for address in self._never_given if address not in self._in_use)
            try:
                address = next(free)
            except StopIteration:
                raise NoRoomError from None
        self._in_use.add(address)
        return address

    def claim(self, address: IPv4Address) -> None:
        """Assign this address. Raises: HomeAddressRefusedError."""
        outside = address not in self.network
        unusable = address in (self.network.network_address, self.network.broadcast_address)
        if outside or unusable or address in self._in_use:
            raise HomeAddressRefusedError
        self._given_back.pop(address, None)
        self._in_use.add(address)

    def release(self, address: IPv4Address) -> None:
        """Release an address."""
        self._in_use.discard(address)
        self._given_back[address] = None


class BindingTable:
    """All bindings, by the mobile's identity.

    ``room`` is the maximum number of bindings; None: as many as there are home addresses.
    """

    def __init__(self, network: IPv4Network, room: Optional[int] = None, watch: Watch = unwatched) -> None:
        self._addresses = HomeAddresses(network)
        self._room = room
        self._watch = watch
        self._bindings: dict[Identity, Binding] = {}
        self._expiries: Deadlines[Identity] = Deadlines()

    def __len__(self) -> int:
        return len(self._bindings)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._bindings.values())

    def home_address(self, identity: Identity, wanted: IPv4Address) -> IPv4Address:
        """Assign the home address for a registration: the requested one, else the mobile's current one, else a new one.

        Raises: HomeAddressRefusedError or NoRoomError; nothing has changed then.
        """
        current = self._bindings.get(identity)
        if current is None and self._room is not None and len(self._bindings) >= self._room:
            raise NoRoomError
        if current is not None and (int(wanted) == 0 or wanted == current.home_address):
            return current.home_address
        if int(wanted) == 0:
            return self._addresses.assign()
        self._addresses.claim(wanted)
        return wanted

    def put(self, binding: Binding) -> None:
        """Add a binding, in place of the mobile's earlier one. Its address comes from :meth:`home_address`."""
        earlier = self._bindings.get(binding.identity)
        if earlier is not None and earlier.home_address != binding.home_address:
            self._addresses.release(earlier.home_address)
        self._bindings[binding.identity] = binding
        if binding.expires is None:
            self._expiries.cancel(binding.identity)
        else:
            self._expiries.set(binding.identity, binding.expires)
        self._watch(binding.identity, binding)

    def close(self, identity: Identity) -> Optional[Binding]:
        """End the mobile's binding and return it, or None if it had none."""
        binding = self._bindings.pop(identity, None)
        if binding is not None:
            self._expiries.cancel(identity)
            self._addresses.release(binding.home_address)
            self._watch(identity, None)
        return binding

    def clear(self) -> int:
        """End all bindings and return how many there were."""
        count = len(self._bindings)
        for identity in list(self._bindings):
            self.close(identity)
        return count

    def expire(self, now: float) -> None:
        """End the bindings whose lifetime is over."""
        for identity in self._expiries.pop_due(now):
            self.close(identity)

    def next_expiry(self) -> Optional[float]:
        """When :meth:`expire` must be called next; None: not before the table changes."""
        return self._expiries.next()


def expiry(lifetime: int, now: float) -> Optional[float]:
    """When a lifetime that begins now ends; None for an infinite lifetime."""
    return None if lifetime == INFINITE_LIFETIME else now + lifetime
