"""The settings of a member: a wrong one is named, with what is expected."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from certificates import Authority

from ryu_haslb.cluster.settings import TLS_VARIABLES, ClusterSettingError, ClusterSettings, cluster_settings

THREE = "tcp:192.0.2.1:6641,tcp:192.0.2.2:6641,tcp:[2001:db8::3]:6641"
TLS = "ssl:192.0.2.1:6641"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The variables of the files for TLS."""
    authority = Authority(tmp_path)
    own = authority.issue("member")
    paths = own.key, own.path, authority.certificate.path
    return dict(zip(TLS_VARIABLES, map(str, paths)))


def test_without_the_variable_there_is_no_cluster() -> None:
    assert cluster_settings({}) is None
    assert cluster_settings({"HASLB_CLUSTER": " "}) is None


def test_a_member_is_named_after_its_host_unless_it_has_a_name() -> None:
    assert cluster_settings({"HASLB_CLUSTER": THREE}) == ClusterSettings(THREE, socket.gethostname())
    assert cluster_settings({"HASLB_CLUSTER": THREE, "HASLB_NAME": "east"}) == ClusterSettings(THREE, "east")


def test_tls_needs_its_three_files(files: dict[str, str]) -> None:
    assert cluster_settings({"HASLB_CLUSTER": TLS, "HASLB_NAME": "a", **files}) == ClusterSettings(
        TLS, "a", (files["HASLB_CLUSTER_KEY"], files["HASLB_CLUSTER_CERT"], files["HASLB_CLUSTER_CA"])
    )
    for variable in files:
        others = {each: file for each, file in files.items() if each != variable}
        with pytest.raises(ClusterSettingError, match=f"{variable} is not set; expected a file"):
            cluster_settings({"HASLB_CLUSTER": TLS, **others})


@pytest.mark.parametrize("variable", TLS_VARIABLES)
@pytest.mark.parametrize("name", ["pipe", "nothing", "text"])
def test_a_file_for_tls_that_cannot_be_used_is_named(
    tmp_path: Path, files: dict[str, str], variable: str, name: str
) -> None:
    """A member that found out when it connects would wait for a pipe, and otherwise connect again at once for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("text")
    path = str(tmp_path / name)
    reason = "not a regular file|No such file|no certificates|expected a certificate"
    with pytest.raises(ClusterSettingError, match=f"{variable} {path}.*({reason})"):
        cluster_settings({"HASLB_CLUSTER": TLS, **files, variable: path})


@pytest.mark.parametrize(
    "remotes",
    ["192.0.2.1", "tcp:192.0.2.1", "tcp:192.0.2.1:0", "tcp:192.0.2.1:65536", "udp:192.0.2.1:1", "tcp::1", "unix:", ","],
)
def test_a_server_in_another_form_is_an_error(remotes: str) -> None:
    with pytest.raises(ClusterSettingError, match="expected tcp:ADDRESS:PORT, ssl:ADDRESS:PORT or unix:PATH"):
        cluster_settings({"HASLB_CLUSTER": remotes})


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "x" * 65])
def test_a_name_that_cannot_be_shown_is_an_error(name: str) -> None:
    with pytest.raises(ClusterSettingError, match="HASLB_NAME"):
        cluster_settings({"HASLB_CLUSTER": THREE, "HASLB_NAME": name})
