"""A server farm: real servers and the predictor that chooses among them."""

from __future__ import annotations

from typing import Optional

from ryu_haslb.configuration.model import ServerFarm as ServerFarmConfiguration
from ryu_haslb.slb.predictor import PREDICTORS
from ryu_haslb.slb.real import RealServer


class ServerFarm:
    """``ip slb serverfarm NAME`` while the balancer runs; virtual servers may share it."""

    def __init__(self, configuration: ServerFarmConfiguration) -> None:
        self.configuration = configuration
        self.name = configuration.name
        self.reals = [RealServer(configuration.name, real) for real in configuration.reals]
        self.by_address = {real.packed_address: real for real in self.reals}
        self._predictor = PREDICTORS[configuration.predictor]()

    def choose(self, datapath_id: int, other_than: Optional[RealServer] = None) -> Optional[RealServer]:
        """The real server for a new session whose request came in at this switch; None when all are down.

        A real server that is ready to be tested takes the next session, whatever the rotation says.
        """
        for real in self.reals:
            if real.awaits_test_from(datapath_id) and real is not other_than:
                return real
        return self._predictor.choose(self.reals, datapath_id, other_than) if self.reals else None
