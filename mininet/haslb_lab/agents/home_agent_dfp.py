"""The DFP agent of a home agent: its weight, and the server that reports it to the balancer.

A node of the lab stands for a whole SAMI. Processor and memory are those of its own process, in proportion to a SAMI's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Optional

import psutil

from haslb_lab.agents.home_agent_registrations import Registrations
from haslb_lab.errors import ProgramError
from ryu_haslb.configuration.home_agent_model import DfpAgentService
from ryu_haslb.dfp.agent_server import DfpAgentServer
from ryu_haslb.dfp.measurement import CallRate, free_share
from ryu_haslb.dfp.weight import DEFAULT_MAX_WEIGHT, HomeAgentLoad, dfp_weight

#: Bytes of memory of a SAMI's processor. The processor itself counts as one of this machine's.
SAMI_MEMORY = 2 << 30


@dataclass(frozen=True)
class Capacity:
    """The maxima of the weight's equation. Without ``available_cps`` calls per second do not count."""

    max_bindings: int
    available_cps: Optional[int] = None
    max_weight: int = DEFAULT_MAX_WEIGHT


class NodeWeight:
    """The weight of a home agent, measured at each call. Processor time is measured since the previous call.

    The first call finds the processor idle. A call, as in calls per second, is an accepted registration.
    """

    def __init__(self, registrations: Registrations, capacity: Capacity, process: Optional[psutil.Process] = None):
        self._registrations = registrations
        self._capacity = capacity
        self._process = process or psutil.Process()
        self._rate = CallRate()

    def __call__(self) -> int:
        usage_cps = self._rate.observe(self._registrations.traffic.registered, time.monotonic())
        load = HomeAgentLoad(
            bindings=len(self._registrations.bindings),
            max_bindings=self._capacity.max_bindings,
            cpu=free_share(self._process.cpu_percent()),
            memory=free_share(100 * self._process.memory_info().rss / SAMI_MEMORY),
            usage_cps=usage_cps,
            available_cps=self._capacity.available_cps,
        )
        return dfp_weight(load, self._capacity.max_weight)


@contextlib.asynccontextmanager
async def dfp_agent(service: DfpAgentService, weight: NodeWeight, address: IPv4Address) -> AsyncIterator[None]:
    """Serve DFP managers at ``address`` while the context lasts, if the DFP agent is in service.

    Raises: ProgramError.
    """
    if not service.in_service or service.port is None:
        yield
        return
    password = service.password or ""
    server = DfpAgentServer(weight, service.port, password=password, interval=service.interval, address=address)
    try:
        await server.start()
    except OSError as error:
        raise ProgramError(f"the DFP agent cannot listen: {error.strerror}") from None
    try:
        yield
    finally:
        await server.stop()
