"""The settings of a member: a wrong one is named, with what is expected."""

from __future__ import annotations

import socket

import pytest

from ryu_haslb.cluster.settings import ClusterSettingError, ClusterSettings, cluster_settings

THREE = "tcp:192.0.2.1:6641,tcp:192.0.2.2:6641,tcp:[2001:db8::3]:6641"
TLS = {"HASLB_CLUSTER_KEY": "key.pem", "HASLB_CLUSTER_CERT": "cert.pem", "HASLB_CLUSTER_CA": "ca.pem"}


def test_without_the_variable_there_is_no_cluster() -> None:
    assert cluster_settings({}) is None
    assert cluster_settings({"HASLB_CLUSTER": " "}) is None


def test_a_member_is_named_after_its_host_unless_it_has_a_name() -> None:
    assert cluster_settings({"HASLB_CLUSTER": THREE}) == ClusterSettings(THREE, socket.gethostname())
    assert cluster_settings({"HASLB_CLUSTER": THREE, "HASLB_NAME": "east"}) == ClusterSettings(THREE, "east")


def test_tls_needs_its_three_files() -> None:
    remotes = "ssl:192.0.2.1:6641"
    assert cluster_settings({"HASLB_CLUSTER": remotes, "HASLB_NAME": "a", **TLS}) == ClusterSettings(
        remotes, "a", ("key.pem", "cert.pem", "ca.pem")
    )
    for variable in TLS:
        others = {each: file for each, file in TLS.items() if each != variable}
        with pytest.raises(ClusterSettingError, match=f"{variable} is not set; expected a file"):
            cluster_settings({"HASLB_CLUSTER": remotes, **others})


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
