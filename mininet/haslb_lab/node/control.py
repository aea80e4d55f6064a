"""The control socket of a node: its server under asyncio, and its client.

    python -m haslb_lab.node.control /tmp/sami1.control show ip mobile binding summary

The protocol is the one of :mod:`ryu_haslb.control.protocol`. The Unix socket has mode 0600. An answer may be a stream:
a line for each step of a long command.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Optional

from haslb_lab.errors import LabError, ProgramError
from ryu_haslb.cli.client import ANSWER_TIMEOUT, ControlClient, ControlError
from ryu_haslb.control.listener import ControlListener
from ryu_haslb.control.protocol import (
    END_MARK,
    ERROR_MARK,
    Request,
    RequestError,
    RequestReader,
    encode_lines,
    error_lines,
    split_words,
)
from ryu_haslb.language.grammar import CommandError

#: Seconds that a client may take to send its command, and again to read a part of the answer.
CLIENT_TIMEOUT = 10.0
#: Bytes of an answer that are written before the other tasks of the node run.
_SLICE_SIZE = 64 << 10
_READ_SIZE = 4096

#: The lines of an answer, as they come.
Answer = AsyncGenerator[str, None]


class RefusedError(LabError):
    """A command that is understood and cannot be carried out. The message says why."""


class ControlServer:
    """Answers commands at ``path``.

    ``answer`` gets the words of a command and generates the lines of its answer. It may raise
    :class:`~ryu_haslb.language.grammar.CommandError` or :class:`RefusedError`. It is closed early if the client leaves.

    No client can occupy more than its own connection: its command is limited in length and time, and a client that
    stops reading is disconnected.
    """

    def __init__(self, path: str, answer: Callable[[Sequence[str]], Answer]) -> None:
        self._path = path
        self._answer = answer
        self._listener: Optional[ControlListener] = None
        self._server: Optional[asyncio.AbstractServer] = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start to listen. Raises: ProgramError if the socket cannot be made, or another node serves it."""
        try:
            self._listener = ControlListener(self._path, server="node")
        except OSError as error:
            reason = error.strerror or error
            raise ProgramError(
                f"cannot make the control socket {self._path}: {reason}; choose another path with --control"
            ) from None
        self._server = await asyncio.start_unix_server(self._serve, sock=self._listener.socket)

    async def close(self) -> None:
        """Stop listening, disconnect all clients, and remove the socket's file if it is still this server's."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None
        self._clients.add(client)
        try:
            await self._converse(reader, writer)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), CLIENT_TIMEOUT)
        except (OSError, asyncio.TimeoutError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._clients.discard(client)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(_receive(reader), CLIENT_TIMEOUT)
            if request is None:
                return
            await self._carry_out(request, writer)
        except (RequestError, CommandError) as error:
            writer.write(encode_lines(error_lines(error)))
            return
        if request.wants_end:
            writer.write(END_MARK)

    async def _carry_out(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Send the answer to a request; an error of the command is a part of it. Raises: RequestError."""
        try:
            answer = self._answer(request.words())
            try:
                await _send(answer, writer)
            finally:
                await answer.aclose()
        except (CommandError, RefusedError) as error:
            writer.write(encode_lines(error_lines(error)))


async def _receive(reader: asyncio.StreamReader) -> Optional[Request]:
    """The client's request; None if the client leaves before its end. Raises: RequestError."""
    requests = RequestReader()
    while data := await reader.read(_READ_SIZE):
        request = requests.receive(data)
        if request is not None:
            return request
    return None


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """Send each line at once; after each slice the other tasks of this process run."""
    written = 0
    async for line in answer:
        if writer.is_closing():
            raise ConnectionResetError
        encoded = encode_lines([line])
        writer.write(encoded)
        written += len(encoded)
        if written >= _SLICE_SIZE:
            written = 0
            await asyncio.wait_for(writer.drain(), CLIENT_TIMEOUT)
            await asyncio.sleep(0)


def client(path: str) -> ControlClient:
    """The client of the node whose control socket is at ``path``."""
    return ControlClient(path, server="node", option="--control")


def stream(path: str, command: str, timeout: float = ANSWER_TIMEOUT) -> Iterator[str]:
    """Send a command line to the node at ``path`` and generate the lines of its answer as they come.

    ``timeout`` is in seconds, before each piece of the answer. Raises: ControlError, CommandError if a quotation in
    ``command`` is not closed.
    """
    return client(path).lines(split_words(command), timeout)


def request(path: str, command: str, timeout: float = ANSWER_TIMEOUT) -> str:
    """The whole answer to a command line, each line with its line feed. Raises: what :func:`stream` raises."""
    return "".join(f"{line}\n" for line in stream(path, command, timeout))


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line. Its exit status is 1 if the node cannot be reached or the answer is an error."""
    parser = argparse.ArgumentParser(
        prog="haslb_lab.node.control",
        description="Send one command to a node of the lab and print the answer.",
        epilog="example: python -m haslb_lab.node.control /tmp/sami1.control show ip mobile binding summary",
    )
    parser.add_argument("path", help="the node's --control socket")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as: show ip mobile binding --json")
    arguments = parser.parse_args(argv)
    status = 0
    try:
        for line in client(arguments.path).lines(arguments.command or ["help"]):
            print(line, flush=True)
            if line.startswith(ERROR_MARK):
                status = 1
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of the output has left; Python must not try to flush it again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
