"""What keeps the balancer from starting: one line that says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from control_process import Application

from ryu_haslb import startup
from ryu_haslb.configuration.model import Configuration, Datapath

CHAPTER = Path(__file__).parents[2] / "topologies" / "chapter"


def test_without_a_configuration_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HASLB_CONFIG", raising=False)
    with pytest.raises(SystemExit, match=r"^ryu_haslb: HASLB_CONFIG is not set; try: haslb run FILE"):
        startup.open_startup_file()


def test_every_error_of_the_configuration_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "farm.ios"
    path.write_text("frobnicate\nip slb serverfarm HAFARM\n real 10.1.1\n")
    with pytest.raises(SystemExit) as ended:
        startup.load_configuration(str(path))
    assert [line.split(": ")[0] for line in str(ended.value).splitlines()] == [f"{path}:1", f"{path}:3"]


def test_warnings_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "farm.ios"
    path.write_text((CHAPTER / "1-dispatched-static.ios").read_text())
    assert list(startup.load_configuration(str(path)).farms) == ["HAFARM"]
    assert caplog.messages[0].startswith(f"{path}:9: 'ip slb vserver MIPS LB' is a scanning mistake")


def test_a_control_socket_that_was_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    monkeypatch.setenv("HASLB_CONTROL", str(path))
    with pytest.raises(SystemExit, match=f"^ryu_haslb: cannot make the control socket {path}: .* is no socket; set "):
        startup.open_control_server(Application())


def test_without_the_default_control_socket_the_balancer_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("HASLB_CONTROL", raising=False)
    monkeypatch.setattr(startup, "DEFAULT_CONTROL", str(tmp_path / "missing" / "haslb.sock"))
    assert startup.open_control_server(Application()) is None
    assert caplog.messages[-1].endswith("set HASLB_CONTROL to another path; running without a control socket")


@pytest.mark.parametrize(
    ("options", "datapaths", "warning"),
    [
        ({}, (), "open on every address, without TLS and without"),
        (
            {"ofp_listen_host": "::"},
            (),
            "open on every address, without TLS and without",
        ),
        ({"ofp_listen_host": "192.0.2.1"}, (), ""),
        ({}, (1,), ""),
        ({"ctl_privkey": "key", "ctl_cert": "certificate", "ca_certs": "authorities"}, (), ""),
        (
            {"ctl_privkey": "key", "ctl_cert": "certificate"},
            (),
            "without --ca-certs no switch has to prove",
        ),
    ],
)
def test_a_port_that_every_program_may_connect_to_is_warned_of(
    options: dict[str, str],
    datapaths: tuple[int, ...],
    warning: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defaults = {"ofp_listen_host": "0.0.0.0", "ctl_privkey": None, "ctl_cert": None, "ca_certs": None}
    monkeypatch.setattr(startup, "cfg", SimpleNamespace(CONF=SimpleNamespace(**{**defaults, **options})))
    permitted = {number: Datapath(number) for number in datapaths}
    startup.warn_of_open_port(Configuration(datapaths=permitted))
    assert [line[: len("OpenFlow port: ") + len(warning)] for line in caplog.messages] == (
        [f"OpenFlow port: {warning}"] if warning else []
    )
