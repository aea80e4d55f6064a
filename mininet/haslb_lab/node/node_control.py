"""The control socket of a node: one command line in, text out, close.

    python mininet/node_control.py /tmp/sami1.control show ip mobile binding summary

A node serves it on a Unix socket of mode 0600. An answer may be a stream, a line for each step of a long command. A
line that starts with "% " is an error, as on IOS.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Optional

from haslb_lab.errors import ProgramError

ERROR_MARK = "% "
LONGEST_COMMAND = 4096
#: Seconds that a client may take to send its line, and again to read a part of the answer.
CLIENT_TIMEOUT = 10.0
#: Seconds after which a client gives up on a node that says nothing; a node at work reports every second.
SILENCE_TIMEOUT = 30.0

_CHUNK = 64 << 10

Answer = AsyncGenerator[str, None]


class CommandError(Exception):
    """A command that cannot be done; the text tells the operator why and what would work."""


class ControlError(Exception):
    """The node cannot be reached or stopped answering; the text says which and what to do."""


class ControlServer:
    """Answers commands on ``path``. ``answer`` gets a command line and generates the lines of the answer; it raises
    CommandError, and is closed early if the client leaves.

    No client can hold more than its own connection: its line is limited in length and time, and one that stops reading
    is cut off.
    """

    def __init__(self, path: str, answer: Callable[[str], Answer]) -> None:
        self._path = path
        self._answer = answer
        self._server: Optional[asyncio.AbstractServer] = None
        self._clients: set[asyncio.Task[None]] = set()
        self._inode = 0

    async def open(self) -> None:
        """Start to listen. Raises OSError with a text for people."""
        listener = _listen(self._path)
        self._inode = os.stat(self._path).st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LONGEST_COMMAND)

    async def close(self) -> None:
        """Stop listening, cut off whoever is connected, and remove the socket's file if it is still ours."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None
        self._clients.add(client)
        try:
            await self._converse(reader, writer)
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), CLIENT_TIMEOUT)
        except (OSError, asyncio.TimeoutError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._clients.discard(client)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), CLIENT_TIMEOUT)
        except ValueError:
            writer.write(f"{ERROR_MARK}a command is one line of at most {LONGEST_COMMAND} bytes\n".encode())
            return
        answer = self._answer(line.decode("utf-8", "replace").strip())
        try:
            await _send(answer, writer)
        except CommandError as error:
            writer.write(f"{ERROR_MARK}{error}\n".encode("utf-8", "replace"))
        finally:
            await answer.aclose()


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """Each line leaves at once; after some of them everybody else in this process has a turn."""
    written = 0
    async for line in answer:
        if writer.is_closing():
            raise ConnectionResetError
        text = f"{line}\n".encode("utf-8", "replace")
        writer.write(text)
        written += len(text)
        if written >= _CHUNK:
            written = 0
            await asyncio.wait_for(writer.drain(), CLIENT_TIMEOUT)
            await asyncio.sleep(0)


def _listen(path: str) -> socket.socket:
    _remove_leftover(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen()
    except OSError as error:
        listener.close()
        raise ProgramError(f"cannot make the control socket {path}: {error.strerror or error}") from None
    finally:
        os.umask(mask)
    return listener


def _remove_leftover(path: str) -> None:
    """A node that was killed leaves its socket's file behind; nobody answers there any more."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise ProgramError(f"{path} exists and is no socket; choose another --control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError:
            pass
    raise ProgramError(f"another node answers on {path}; stop it or choose another --control")


def stream(path: str, command: str, silence: float = SILENCE_TIMEOUT) -> Iterator[str]:
    """Send a command to the node at ``path`` and generate the lines of its answer as they come, without newlines.

    Raises ControlError when nobody answers, or nothing comes for ``silence`` seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(silence)
        try:
            connection.connect(path)
            connection.sendall(" ".join(command.split()).encode("utf-8", "surrogateescape") + b"\n")
            with connection.makefile("r", encoding="utf-8", errors="replace", newline="\n") as lines:
                for line in lines:
                    yield line.rstrip("\n")
        except socket.timeout:
            raise ControlError(f"the node at {path} said nothing for {silence:g} seconds") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(f"no node listens on {path}; is it running, and is this its --control?") from None
        except OSError as error:
            raise ControlError(f"cannot talk to the node at {path}: {error.strerror or error}") from None


def request(path: str, command: str, silence: float = SILENCE_TIMEOUT) -> str:
    """The whole answer to a command, each line with its newline. Raises ControlError."""
    return "".join(f"{line}\n" for line in stream(path, command, silence))


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The command line; 1 if the node cannot be reached or calls the command wrong."""
    parser = argparse.ArgumentParser(
        description="Send one command to a node of the lab and print the answer.",
        epilog="example: node_control.py /tmp/sami1.control show ip mobile binding summary",
    )
    parser.add_argument("path", help="the node's --control socket")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as: show ip mobile binding --json")
    arguments = parser.parse_args(argv)
    status = 0
    try:
        for line in stream(arguments.path, " ".join(arguments.command) or "help"):
            print(line, flush=True)
            if line.startswith(ERROR_MARK):
                status = 1
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has seen enough; Python must not try again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
