"""The IPsec module's own counters, from its control socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vici_peer import serving

from ryu_haslb.ipsec.module import Counters, ModuleError, clear_counters, counters_of, read_counters


def answering(answer: bytes, asked: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    def serve(client: socket.socket) -> None:
        question = client.recv(1024)
        if asked is not None:
            asked.append(question)
        client.sendall(answer)

    return serve


def test_counters_come_from_the_modules_control_socket(tmp_path: Path) -> None:
    asked: list[bytes] = []
    answer = b'{"Vlan15": {"send_errors": 4, "recv_errors": 2, "encaps": 1, "frames": 9}}\n'
    with serving(tmp_path / "control", answering(answer, asked)) as path:
        assert read_counters(path) == {"Vlan15": Counters(4, 2, encaps=1)}
        clear_counters(path)
    assert asked == [b"show crypto counters --json\n", b"clear crypto counters\n"]


def test_a_module_that_does_not_run_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="start it, or set HASLB_VICI_COUNTERS to its control socket"):
        read_counters(f"{tmp_path}/control")


def test_an_answer_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "control", answering(b" " * (1 << 20))) as path,
        pytest.raises(ModuleError, match="exceeds 65536 bytes"),
    ):
        read_counters(path)


@pytest.mark.parametrize("answer", [b"", b"% what?\n", b"[]", b"null", b"\xff", b"[" * 100000, b'{"Vlan15": 4}'])
def test_an_answer_without_counters_is_an_error(answer: bytes) -> None:
    with pytest.raises(ModuleError, match="expected its counters"):
        counters_of(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@given(st.dictionaries(st.sampled_from(["send_errors", "recv_errors", "encaps", "decaps", "x"]), JSON))
def test_a_value_that_is_no_count_is_read_as_zero(answer: dict[str, object]) -> None:
    counters = counters_of(json.dumps({"Vlan15": answer}).encode())["Vlan15"]
    assert all(isinstance(value, int) and value >= 0 for value in vars(counters).values())
