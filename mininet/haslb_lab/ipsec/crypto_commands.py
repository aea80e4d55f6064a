"""The commands of a node with IPsec, as on IOS, and one that waits for its associations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from haslb_lab.ipsec.on_demand import Ipsec
from haslb_lab.node.commands import Handler, in_json
from haslb_lab.node.control import Answer, RefusedError
from ryu_haslb.configuration.model import Configuration
from ryu_haslb.ipsec.charon import CharonError
from ryu_haslb.ipsec.module import Counters
from ryu_haslb.language.grammar import Command, Match
from ryu_haslb.show.crypto import ipsec_lines, ipsec_rows, isakmp_lines, isakmp_rows

T = TypeVar("T")

#: Seconds that `wait` takes at most. A client gives up on a silent node after 30.
MAX_WAIT = 25


class Errors:
    """Counters of packets that had to be protected and were lost.

    ``count`` returns totals since the start: packets that could not be sent, and packets that were not accepted.
    """

    def __init__(self, count: Callable[[], tuple[int, int]]) -> None:
        self._count = count
        self.clear()

    def read(self) -> tuple[int, int]:
        """Send errors and receive errors since :meth:`clear`."""
        send, receive = self._count()
        return send - self._cleared[0], receive - self._cleared[1]

    def clear(self) -> None:
        """Set the counters to zero."""
        self._cleared = self._count()


def crypto_commands(
    configuration: Configuration, interface: str, ipsec: Ipsec, errors: Errors
) -> tuple[Command[Handler], ...]:
    """The commands about the crypto map of an interface."""
    return (*_show_commands(configuration, interface, ipsec, errors), *_operations(ipsec, errors))


def _show_commands(
    configuration: Configuration, interface: str, ipsec: Ipsec, errors: Errors
) -> tuple[Command[Handler], ...]:
    def counters() -> Counters:
        return Counters(*errors.read(), ipsec.carried.encaps, ipsec.carried.decaps)

    async def show_ipsec(_: Match[Handler], as_json: bool) -> Answer:
        rows = list(ipsec_rows(configuration, interface, await _answered(ipsec.associations()), counters()))
        for line in [json.dumps(rows)] if as_json else ipsec_lines(rows):
            yield line

    async def show_isakmp(_: Match[Handler], as_json: bool) -> Answer:
        rows = list(isakmp_rows(await _answered(ipsec.associations())))
        for line in [json.dumps(rows)] if as_json else isakmp_lines(rows):
            yield line

    def show_counters(_: Match[Handler], __: bool) -> Answer:
        return in_json({interface: dataclasses.asdict(counters())})

    return (
        Command("show crypto ipsec sa", show_ipsec, "IPsec security associations"),
        Command("show crypto isakmp sa", show_isakmp, "ISAKMP security associations"),
        Command("show crypto counters", show_counters, "Counters beyond those of security associations, as JSON"),
    )


def _operations(ipsec: Ipsec, errors: Errors) -> tuple[Command[Handler], ...]:
    async def clear_ipsec(_: Match[Handler], __: bool) -> Answer:
        number = await _answered(ipsec.clear_ipsec())
        errors.clear()
        yield f"{number} security associations cleared"

    async def clear_isakmp(_: Match[Handler], __: bool) -> Answer:
        yield f"{await _answered(ipsec.clear_isakmp())} ISAKMP security associations cleared"

    async def clear_counters(_: Match[Handler], __: bool) -> Answer:
        await _answered(ipsec.clear_carried())
        errors.clear()
        yield "counters cleared"

    async def wait(command: Match[Handler], _: bool) -> Answer:
        if (obstacle := await ipsec.wait(command.get("SECONDS", MAX_WAIT))) is not None:
            raise RefusedError(obstacle)
        yield "all security associations are up"

    return (
        Command("clear crypto sa", clear_ipsec, "Delete all IPsec security associations"),
        Command("clear crypto isakmp", clear_isakmp, "Delete all ISAKMP security associations"),
        Command("clear crypto counters", clear_counters, "Set the counters to zero"),
        Command(f"wait crypto sa [SECONDS<1-{MAX_WAIT}>]", wait, "Wait until all security associations are up"),
    )


async def _answered(question: Awaitable[T]) -> T:
    try:
        return await question
    except CharonError as error:
        raise RefusedError(str(error)) from None
