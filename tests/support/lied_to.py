"""Liars at the OpenFlow port of a balancer, for as long as ``HASLB_ATTACK_SECONDS`` says (tests/attacks/README.md)."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bench import Bench
from lying_switch import LyingSwitch
from mobile import VIRTUAL, arp_reply, arp_request, registration

from ryu_haslb.cli.client import ControlError

SECONDS = float(os.environ.get("HASLB_ATTACK_SECONDS", "5"))
SEED = int(os.environ.get("HASLB_ATTACK_SEED", str(random.randrange(1 << 32))))
LIARS = 3
#: The liars' own datapath ids, and that of the switch beside them.
DATAPATH_IDS = (1, *range(0x1000, 0x1010))

FRAMES = (
    *(registration(f"liar-{number}@isp.com") for number in range(20)),
    *(arp_reply(f"00:00:5e:00:53:{number}", f"10.1.1.{number}") for number in range(51, 54)),
    *(arp_request(target) for target in (VIRTUAL, "10.1.1.51")),
)


def frames(chance: random.Random) -> bytes:
    """A frame that may be damaged."""
    chosen = bytearray(chance.choice(FRAMES))
    if chance.random() < 0.5:
        chosen[chance.randrange(len(chosen))] = chance.randrange(256)
    return bytes(chosen[: chance.choice((len(chosen), chance.randrange(len(chosen)))) or 1])


@contextmanager
def lied_to(host: str, port: int, until: float) -> Iterator[None]:
    """Liars connect to a balancer until then."""
    print(f"HASLB_ATTACK_SEED={SEED}")
    liars = [LyingSwitch((host, port), SEED * LIARS + number, DATAPATH_IDS, frames) for number in range(LIARS)]
    threads = [threading.Thread(target=liar.run, args=(lambda: time.monotonic() > until,)) for liar in liars]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    print(
        f"{sum(liar.sent for liar in liars)} lies over {sum(sum(liar.counts.values()) for liar in liars)} connections"
    )


def listed(bench: Bench) -> dict[str, Any]:
    """The sessions. On a busy machine this process may read so late that the balancer gives it up."""
    for _ in range(5):
        with suppress(ControlError):
            return bench.sessions()
    return bench.sessions()
