"""What the client of a control socket says when it cannot reach the server."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ryu_haslb.cli.client import ControlClient, ControlError


def test_a_socket_that_its_server_replaces_at_this_moment_is_that_of_a_server_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer that starts removes the socket of the one before, between our connection and our look at the file."""
    path = str(tmp_path / "haslb.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)

    def is_gone(path: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "stat", is_gone)
    with pytest.raises(ControlError, match="has ended; start it again"):
        list(ControlClient(path).ask(["show", "version"]))
