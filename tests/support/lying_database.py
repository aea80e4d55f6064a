"""A stranger between members of a cluster and their database: passes on what both say, and lies to the members.

``python lying_database.py SEED PORT=ADDRESS:PORT...`` listens at each port of the loopback for the server behind it,
and prints ``ready``. Each line of standard input chooses the lie (:data:`LIES`) from then on; all else is the truth.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Callable, Optional

#: Values of several types, which replace true ones of any type.
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1 << 62,
    (1 << 63) - 1,
    (1 << 64) - 1,
    1e308,
    "",
    "\x1b[2J\n",
    [],
    {},
    ["set", [1, 2]],
)
GENERATIONS = (0, 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
LEADERS = ("", "nobody", "member-6701", "member-6702", "\x1b[2J")
ENORMOUS = ("[" * (1 << 20), '{"id":null,"method":"echo","params":["' + "x" * (20 << 20))
LOCK = "haslb_leader"

Message = dict[str, Any]


class Liar:
    """One connection of a member. Made with the source of its random choices."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._monitor: Optional[Any] = None
        self._row: Optional[str] = None
        self._generation = 0

    def to_member(self, message: Message, lie: str) -> Iterator[Any]:
        """What a member gets in the place of a message; a text is sent as it is."""
        self._note(message)
        yield from LIES.get(lie, _truth)(self, message)

    def to_server(self, message: Message, lie: str) -> tuple[list[Message], list[Message]]:
        """What the server gets in the place of a member's message, and what the member gets for it."""
        method = str(message.get("method"))  # an answer to the server's question has none
        if method.startswith("monitor"):
            database, self._monitor, *_ = message["params"]
            self._row = None if database == "_Server" else self._row
        if lie != "committed" or method != "transact":
            return [message], []
        results = [{"count": 1} if each["op"] in ("update", "mutate", "delete") else {} for each in operations(message)]
        updates = (each["row"] for each in operations(message) if each.get("table") == "Cluster" and "row" in each)
        shown = [update for row in updates for update in self._update(row)]
        return [], [*shown, {"id": message["id"], "result": results, "error": None}]

    def _note(self, message: Message) -> None:
        for key, columns in _cluster_rows(message):
            self._row, self._generation = key, columns.get("generation", self._generation)

    def _update(self, columns: dict[str, Any]) -> Iterator[Message]:
        """A notification that the row of the table Cluster has changed, once the member has seen that row."""
        if self._row is not None:
            transaction = str(uuid.UUID(int=self._chance.getrandbits(128)))
            changed = {"Cluster": {self._row: {"modify": columns}}}
            yield {"method": "update3", "params": [self._monitor, transaction, changed], "id": None}

    def values(self, message: Message) -> Iterator[Any]:
        """Values of other types, and rows and columns that are missing."""
        yield self._damaged(message)

    def _damaged(self, value: Any) -> Any:
        if self._chance.random() < 0.04:
            return self._chance.choice(VALUES)
        if isinstance(value, dict):
            return {key: self._damaged(each) for key, each in value.items() if self._chance.random() < 0.97}
        return [self._damaged(each) for each in value] if isinstance(value, list) else value

    def leaders(self, message: Message) -> Iterator[Any]:
        """Another member leads, or none, with a generation that goes back, or that none can follow."""
        near = self._generation + self._chance.randrange(-3, 3)
        columns = {"leader": self._chance.choice(LEADERS), "generation": self._chance.choice((near, *GENERATIONS))}
        yield message
        if self._chance.random() < 0.3:
            yield from self._update(columns)

    def locks(self, message: Message) -> Iterator[Any]:
        """Every member has the lock, or loses it."""
        if isinstance(message.get("result"), dict) and "locked" in message["result"]:
            message["result"]["locked"] = True
        yield message
        yield {"method": self._chance.choice(("locked", "stolen")), "params": [LOCK], "id": None}

    def silence(self, _: Message) -> Iterator[Any]:
        return iter(())

    def repetitions(self, message: Message) -> Iterator[Any]:
        yield from [message] * (300 if message.get("method") else 1)

    def enormous(self, message: Message) -> Iterator[Any]:
        yield message
        yield self._chance.choice(ENORMOUS)


def _truth(_: Liar, message: Message) -> Iterator[Any]:
    yield message


LIES: dict[str, Callable[[Liar, Message], Iterator[Any]]] = {
    "values": Liar.values,
    "leaders": Liar.leaders,
    "locks": Liar.locks,
    "committed": _truth,  # what members commit is confirmed to them, and the server does not get it
    "silence": Liar.silence,
    "repetitions": Liar.repetitions,
    "enormous": Liar.enormous,
}


def operations(message: Message) -> list[Message]:
    """Those of a transaction (RFC 7047, section 4.1.3)."""
    return list(message["params"][1:])


def _cluster_rows(message: Message) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of the table Cluster in an update, or in the reply to a request for them (ovsdb-server(7))."""
    parts = message.get("params") or message.get("result")
    for part in parts if isinstance(parts, list) else ():
        for key, row in (part.get("Cluster", {}) if isinstance(part, dict) else {}).items():
            for change in ("initial", "insert", "modify"):
                if change in row:
                    yield key, row[change]


class Proxy:
    """Serves members; ``lie`` is told to all of them."""

    def __init__(self, seed: int) -> None:
        self.lie = ""
        self._chance = random.Random(seed)

    async def listen(self, port: int, server: tuple[str, str]) -> None:
        """Listen for members of one server."""
        await asyncio.start_server(lambda *streams: self._serve(server, *streams), "127.0.0.1", port)

    async def _serve(
        self, server: tuple[str, str], from_member: asyncio.StreamReader, member: asyncio.StreamWriter
    ) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(*server)
        except OSError:
            member.close()
            return
        liar = Liar(self._chance)

        async def tell_member() -> None:
            async for message in messages(from_server):
                await write(member, liar.to_member(message, self.lie))

        async def tell_server() -> None:
            async for message in messages(from_member):
                passed, replies = liar.to_server(message, self.lie)
                await write(to_server, passed)
                await write(member, replies)

        tasks = [asyncio.ensure_future(each()) for each in (tell_member, tell_server)]
        ended, unfinished = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in unfinished:
            task.cancel()
        for task in ended:
            with suppress(OSError):
                task.result()
        for writer in (member, to_server):
            writer.close()


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    """The JSON messages of a stream; one follows the other without a mark between them."""
    decoder, text = json.JSONDecoder(), ""
    while data := await reader.read(1 << 16):
        text += data.decode()
        while text:
            try:
                message, end = decoder.raw_decode(text)
            except ValueError:
                break
            yield message
            text = text[end:].lstrip()


async def write(writer: asyncio.StreamWriter, sent: Iterable[Any]) -> None:
    for message in sent:
        writer.write((message if isinstance(message, str) else json.dumps(message)).encode())
        await writer.drain()


async def main() -> None:
    proxy = Proxy(int(sys.argv[1]))
    for pair in sys.argv[2:]:
        port, _, server = pair.partition("=")
        host, _, server_port = server.rpartition(":")
        await proxy.listen(int(port), (host, server_port))
    print("ready", flush=True)
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        proxy.lie = line.strip()


if __name__ == "__main__":
    asyncio.run(main())
