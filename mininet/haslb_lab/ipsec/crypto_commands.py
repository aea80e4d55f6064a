"""The commands of a node that speaks IPsec, in the words of IOS, and one to wait for its associations."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from haslb_lab.ipsec.on_demand import Ipsec
from haslb_lab.node import node
from haslb_lab.node.commands import Handler, in_json
from haslb_lab.node.node_control import Answer, CommandError
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.module import Counters
from ryu_haslb.show.crypto import ipsec_lines, ipsec_rows, isakmp_lines, isakmp_rows

T = TypeVar("T")

#: Seconds that a client waits for at most; it gives up on a silent node after 30.
MAX_WAIT = 25


class Errors:
    """Packets that ought to have been protected and were lost. ``count`` counts, for ever, those that could not leave
    and those that did not come as they ought to."""

    def __init__(self, count: Callable[[], tuple[int, int]]) -> None:
        self._count = count
        self.clear()

    def read(self) -> tuple[int, int]:
        """Send errors and receive errors since they were cleared."""
        send, receive = self._count()
        return send - self._cleared[0], receive - self._cleared[1]

    def clear(self) -> None:
        """Start again at 0."""
        self._cleared = self._count()


def crypto_commands(configuration: Configuration, interface: str, ipsec: Ipsec, errors: Errors) -> dict[str, Handler]:
    """Commands about the crypto map of an interface."""

    def counters() -> Counters:
        return Counters(*errors.read(), ipsec.carried.encaps, ipsec.carried.decaps)

    async def show_ipsec(_: list[str], as_json: bool) -> Answer:
        rows = list(ipsec_rows(configuration, interface, await _answered(ipsec.associations()), counters()))
        for line in [json.dumps(rows)] if as_json else ipsec_lines(rows):
            yield line

    async def show_isakmp(_: list[str], as_json: bool) -> Answer:
        rows = list(isakmp_rows(await _answered(ipsec.associations())))
        for line in [json.dumps(rows)] if as_json else isakmp_lines(rows):
            yield line

    def show_counters(_: list[str], __: bool) -> Answer:
        return in_json({interface: dataclasses.asdict(counters())})

    async def clear_ipsec(_: list[str], __: bool) -> Answer:
        number = await _answered(ipsec.clear_ipsec())
        errors.clear()
        yield f"{number} security associations cleared"

    async def clear_isakmp(_: list[str], __: bool) -> Answer:
        yield f"{await _answered(ipsec.clear_isakmp())} ISAKMP security associations cleared"

    async def clear_counters(_: list[str], __: bool) -> Answer:
        await _answered(ipsec.clear_carried())
        errors.clear()
        yield "counters cleared"

    async def wait(arguments: list[str], _: bool) -> Answer:
        try:
            seconds = node.whole_number(arguments[0], 1, MAX_WAIT) if arguments else MAX_WAIT
        except argparse.ArgumentTypeError as error:
            raise CommandError(f"{error}; expected seconds such as: wait crypto sa 20") from None
        if (obstacle := await ipsec.wait(seconds)) is not None:
            raise CommandError(obstacle)
        yield "all security associations are up"

    return {
        "show crypto ipsec sa": show_ipsec,
        "show crypto isakmp sa": show_isakmp,
        "show crypto counters": show_counters,
        "clear crypto sa": clear_ipsec,
        "clear crypto isakmp": clear_isakmp,
        "clear crypto counters": clear_counters,
        "wait crypto sa": wait,
        "wait crypto sa SECONDS": wait,
    }


async def _answered(question: Awaitable[T]) -> T:
    try:
        return await question
    except CharonError as error:
        raise CommandError(str(error)) from None
