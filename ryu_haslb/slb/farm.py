"""A server farm: real servers and the predictor that chooses among them."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.model import ServerFarm as ServerFarmConfiguration
from ryu_haslb.slb.predictor import PREDICTORS
from ryu_haslb.slb.real import RealServer


class ServerFarm:
    """``ip slb serverfarm NAME`` while the balancer runs; virtual servers may share it.

    Sessions that are reassigned have a rotation of their own, so that new ones share by the weights exactly.
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
        """Go by another configuration of the same farm. Real servers that both have keep their sessions and health."""
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
        """Whether the real server is one of this farm, now."""
        return self.by_address.get(real.packed_address) is real

    def choose(self, datapath_id: int, other_than: Optional[RealServer] = None) -> Optional[RealServer]:
        """The real server for a new session whose request came in at this switch; None when all are down.

        ``other_than`` is the real server that a session leaves. A real server that is ready to be tested takes the next
        session, whatever the rotation says.
        """
        for real in self.reals:
            if real.awaits_test_from(datapath_id) and real is not other_than:
                return real
        if not self.reals:
            return None
        predictor = self._predictor if other_than is None else self._reassigning
        return predictor.choose(self.reals, datapath_id, other_than)
