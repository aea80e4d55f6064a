"""A DFP agent that changes its weight five times a second, and prints each weight and when it reports it."""

from __future__ import annotations

import asyncio
import time
from itertools import cycle

from ryu_haslb.dfp.agent_server import DfpAgentServer

PORT = 500
INTERVAL = 0.2
WEIGHTS = cycle(range(20, 40))


def _weight() -> int:
    weight = next(WEIGHTS)
    print(weight, time.monotonic(), flush=True)
    return weight


async def _serve() -> None:
    server = DfpAgentServer(_weight, PORT, interval=INTERVAL)
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
