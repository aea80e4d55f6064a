"""The settings of a member, read from the environment (``docs/cluster.md``)."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ryu_haslb.errors import HaslbError
from ryu_haslb.openflow.sockets.tls import TlsFile, TlsSettingError, load_files

CLUSTER_VARIABLE = "HASLB_CLUSTER"
NAME_VARIABLE = "HASLB_NAME"
#: The variables of the private key, the certificate and the authority's certificate, for ``ssl:``.
TLS_VARIABLES = ("HASLB_CLUSTER_KEY", "HASLB_CLUSTER_CERT", "HASLB_CLUSTER_CA")

#: Characters of a member's name.
MAX_NAME_LENGTH = 64
_REMOTE = re.compile(r"(tcp|ssl):(\[[0-9A-Fa-f:.]+\]|[^:\[\],\s]+):(\d{1,5})|unix:[^,\s]+")


class ClusterSettingError(HaslbError):
    """A setting of the cluster is wrong; the text names it and what is expected."""


@dataclass(frozen=True)
class ClusterSettings:
    """The database's servers in OVSDB's form, this member's name, and the files for TLS (key, certificate, CA)."""

    remotes: str
    name: str
    tls: Optional[tuple[str, str, str]] = None


def cluster_settings(environment: Mapping[str, str]) -> Optional[ClusterSettings]:
    """The settings of the environment; None if there is no cluster. Raises: ClusterSettingError."""
    remotes = environment.get(CLUSTER_VARIABLE, "").strip()
    if not remotes:
        return None
    name = environment.get(NAME_VARIABLE, "").strip() or socket.gethostname()
    if not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise ClusterSettingError(
            f"{NAME_VARIABLE}: {name!a} is no name; expected up to {MAX_NAME_LENGTH} printable characters"
        )
    for remote in remotes.split(","):
        matched = _REMOTE.fullmatch(remote)
        if matched is None or int(matched[3] or 1) not in range(1, 65536):
            raise ClusterSettingError(
                f"{CLUSTER_VARIABLE}: {remote!a} is no database server; expected tcp:ADDRESS:PORT, ssl:ADDRESS:PORT or "
                "unix:PATH, several with commas between them"
            )
    tls = None
    if "ssl:" in remotes:
        missing = [variable for variable in TLS_VARIABLES if not environment.get(variable)]
        if missing:
            raise ClusterSettingError(f"{CLUSTER_VARIABLE} has ssl: and {missing[0]} is not set; expected a file")
        key, certificate, authority = (TlsFile(variable, environment[variable]) for variable in TLS_VARIABLES)
        try:  # the ``ovs`` package would wait for a pipe, ask for the passphrase of a key, and log another cause
            load_files(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), key, certificate, authority)
        except TlsSettingError as error:
            raise ClusterSettingError(str(error)) from error
        tls = key.path, certificate.path, authority.path
    return ClusterSettings(remotes, name, tls)
