"""No key and no password appears in an answer, an error, a log, a change or a representation; root may ask for them."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from control_process import Application

from ryu_haslb.configuration.crypto_model import PresharedKey
from ryu_haslb.configuration.ios.password import encrypt
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.configuration.ios.writer import write_configuration
from ryu_haslb.configuration.loader import load
from ryu_haslb.configuration.model import DfpManager
from ryu_haslb.configuration.yaml.reader import read_yaml
from ryu_haslb.control import execution
from ryu_haslb.control.listener import user_of
from ryu_haslb.control.protocol import SEPARATOR, Request
from ryu_haslb.control.server import ControlServer
from ryu_haslb.dfp.security import KeyRing
from ryu_haslb.language.diagnostics import ConfigurationError

PASSWORD, KEY = "hunter2s3cr3t", "presharedS3cr3t"
SECRET_FORMS = (PASSWORD, KEY, encrypt(PASSWORD), encrypt(KEY), "s3cr3t")
CONFIGURATION = f"ip slb dfp password 0 {PASSWORD} 60\ncrypto isakmp key {KEY} address 10.9.9.9\n"


@pytest.fixture(name="application")
def with_secrets() -> Application:
    application = Application()
    application.configure(read_configuration(CONFIGURATION, "test", application.configuration)[0])
    return application


def run(application: Application, *words: str, is_root: bool = False) -> str:
    lines = execution.execute(application, words, is_root).lines
    return "\n".join(line for line in lines if line is not None)


def require_no_secret(text: str) -> None:
    assert not any(form in text for form in SECRET_FORMS), text


@pytest.mark.parametrize("options", [[], ["--json"], ["|", "include", "i"]])
def test_the_running_configuration_is_masked(application: Application, options: list[str]) -> None:
    shown = run(application, "show", "running-config", *options, is_root=True)
    require_no_secret(shown)
    assert "ip slb dfp password 7 **** 60" in shown
    assert "crypto isakmp key **** address 10.9.9.9" in shown


def test_root_gets_secrets_on_request_and_nobody_else(application: Application) -> None:
    words = ("show", "running-config", "secrets")
    assert run(application, *words) == "% 'secrets' is for root only; try sudo"
    shown = run(application, *words, is_root=True)
    assert read_configuration(shown, "shown")[0] == application.configuration


def test_a_masked_configuration_is_refused_and_sets_no_masks_as_secrets(application: Application) -> None:
    before = application.configuration
    for line in run(application, "show", "running-config").splitlines():
        if "****" in line:
            answer = run(application, "config", line)
            assert "it is masked; 'show running-config secrets' has" in answer
    assert application.configuration is before


@pytest.mark.parametrize(
    "line",
    [
        "ip slb dfp password 8 NEWs3cr3t",
        "ip slb dfp password 0 new s3cr3t",
        "ip slb dfp password new s3cr3t 60",
        "ip slb dfp password 7 NEWs3cr3t",
        "ip slb dfp password 0 x 180 s3cr3t",
        "ip slb dfp passwd 0 NEWs3cr3t",
        "ip slb dfp key NEWs3cr3t",
        "ip slb dfp password 0 " + "s3cr3t" * 20,
        "no ip slb dfp password 0 x s3cr3t",
        "crypto isakmp key 0 new s3cr3t address 1.1.1.1",
        "crypto isakmp key NEWs3cr3t hostname other",
        "crypto isakmp key NEWs3cr3t address",
        "crypto isakmp key new address 1.1.1.1 s3cr3t",
        "crypto isakmp kye NEWs3cr3t address 1.1.1.1",
        "crypto isakmp key NEWs3cr3t\xff address 1.1.1.1",
    ],
)
def test_an_error_does_not_quote_what_may_be_a_secret(application: Application, line: str) -> None:
    answer = run(application, "config", line)
    assert answer.endswith("% nothing was changed")
    require_no_secret(answer)


def test_an_error_behind_a_secret_still_names_a_misspelled_keyword(application: Application) -> None:
    answer = run(application, "config", "crypto isakmp key x adress 1.1.1.1")
    assert "not 'adress'; did you mean 'address'?" in answer


@pytest.mark.parametrize(
    "lines",
    [
        "  password: *NEWs3cr3t",
        '  password: "NEWs3cr3t',
        "  password: [NEWs3cr3t]",
        "  password: {NEWs3cr3t: 1}",
        "  password: !NEWs3cr3t x",
        "  password: @NEWs3cr3t",
        "  password: x\n  password_type: NEWs3cr3t",
        "  password: x\n  password_timeout: NEWs3cr3t",
        "  password: NEWs3cr3t\n  password_type: 9",
        "  password: NEWs3cr3t\n  password_type: 7",
        "  password: NEWs3cr3t\n  agent: []",
    ],
)
def test_an_error_in_yaml_does_not_quote_what_may_be_a_secret(lines: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(f"dfp:\n{lines}\n", "test.yaml")
    require_no_secret(str(caught.value))


def test_a_changed_secret_is_masked_in_the_changes(application: Application) -> None:
    changed = ["ip slb dfp password 0 others3cr3t", f"no crypto isakmp key {KEY} address 10.9.9.9"]
    answer = run(application, "config", SEPARATOR.join(changed))
    require_no_secret(answer)
    assert "+ ip slb dfp password 7 ****" in answer
    assert "- crypto isakmp key **** address 10.9.9.9" in answer


def test_representations_have_no_secrets() -> None:
    """They reach tracebacks and the messages of assertions."""
    configuration = read_configuration(CONFIGURATION, "test")[0]
    keys = KeyRing(PASSWORD)
    for each in (configuration, DfpManager(PASSWORD), PresharedKey(KEY, IPv4Network("10.9.9.9")), keys, vars(keys)):
        require_no_secret(repr(each))


def test_what_the_file_says_can_be_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "with.ios"
    path.write_text(CONFIGURATION)
    loaded = load(path).configuration
    assert read_configuration(write_configuration(loaded), "again")[0] == loaded


class Peer:
    """A client of the control socket that belongs to another user."""

    def __init__(self, user: int) -> None:
        self.user, self.sent = user, b""

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("3i", 1, self.user, self.user)[:size]

    def settimeout(self, _: object) -> None: ...

    def recv(self, _: int) -> bytes:
        return b"show running-config secrets\n"

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def control(path: Path, **functions: Any) -> Iterator[ControlServer]:
    served = ControlServer(str(path / "control"), **functions)
    try:
        yield served
    finally:
        served.close()


def test_the_user_of_a_client_is_what_the_kernel_says(tmp_path: Path) -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert user_of(one) == os.geteuid()


def test_another_user_is_refused_even_if_the_mode_of_the_socket_lets_him_in(tmp_path: Path) -> None:
    with control(tmp_path, execute=lambda words: pytest.fail("carried out")) as served:
        stranger = Peer(os.geteuid() + 1)
        served._answer(stranger)
    assert stranger.sent == b"% only root and the owner of the balancer may use the control socket\n"


def test_only_root_is_served_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)

    def answer(text: str) -> Any:
        return lambda words: execution.Output(iter([text]))

    with control(tmp_path, execute=answer("as owner"), execute_for_root=answer("as root")) as served:
        for user, text in ((1234, b"as owner\n"), (0, b"as root\n")):
            peer = Peer(user)
            served._answer(peer)
            assert peer.sent == text


def test_a_command_that_fails_is_logged_without_its_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(words: object) -> execution.Output:
        raise ZeroDivisionError

    request = Request(f"config 'ip slb dfp password 0 {PASSWORD}'".encode(), False)
    with control(tmp_path, execute=fail) as served, caplog.at_level(logging.DEBUG):
        served._carry_out(Peer(0), os.getpid(), request, fail)
    assert [record.getMessage() for record in caplog.records] == ["command failed: config"]
    require_no_secret(json.dumps([record.getMessage() for record in caplog.records]))
