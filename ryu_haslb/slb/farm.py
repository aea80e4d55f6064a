"""A server farm: real servers and the predictor that chooses among them."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.model import ServerFarm as ServerFarmConfiguration
from ryu_haslb.slb.predictor import PREDICTORS
from ryu_haslb.slb.real import RealServer


class ServerFarm:
    """``ip slb serverfarm NAME`` while the balancer runs; several virtual servers may use it.

    Reassigned sessions have a predictor of their own, so that new sessions are shared exactly by the weights.
    """

    def __init__(self, configuration: ServerFarmConfiguration) -> None:
        self.name = configuration.name
        self.configuration = configuration
        self.reals: list[RealServer] = []
        self.by_address: dict[bytes, RealServer] = {}
        self._predictor = PREDICTORS[configuration.predictor]()
        self._reassigning = PREDICTORS[configuration.predictor]()
        self.configure(configuration)

    def configure(self, configuration: ServerFarmConfiguration) -> None:
        """Apply another configuration of the same farm. Real servers in both keep their sessions and health."""
        if configuration.predictor is not self.configuration.predictor:
            self._predictor = PREDICTORS[configuration.predictor]()
            self._reassigning = PREDICTORS[configuration.predictor]()
        self.configuration = configuration
        known = self.by_address
        self.reals = []
        for each in configuration.reals:
            real = known.get(each.address.packed)
            if real is None:
                real = RealServer(self.name, each)
            else:
                real.configure(each)
            self.reals.append(real)
        self.by_address = {real.packed_address: real for real in self.reals}

    def has(self, real: RealServer) -> bool:
        """Whether the farm holds this real server."""
        return self.by_address.get(real.packed_address) is real

    def choose(self, datapath_id: int, other_than: Optional[RealServer] = None) -> Optional[RealServer]:
        """The real server for a new session whose request this switch received; None when none accepts it.

        ``other_than`` is the real server that a session leaves. A real server that awaits its test gets the next
        session; otherwise the predictor chooses.
        """
        for real in self.reals:
            if real.awaits_test_from(datapath_id) and real is not other_than:
                return real
        if not self.reals:
            return None
        predictor = self._predictor if other_than is None else self._reassigning
        return predictor.choose(self.reals, datapath_id, other_than)
