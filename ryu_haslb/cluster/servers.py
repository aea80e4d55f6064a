"""Files for the database's servers, made with ``ovsdb-tool``: one on each of an odd number of machines, usually three.

The first server's file holds the database with its first rows. A row of the table ``Connection`` says where every
server listens for members, and how soon it gives one up that does not answer. Without this row a member that was
suspended would keep the lock for ten seconds.

The first generation is the time in seconds since 1970. Members claim generations less often than one a second, so it is
newer than those of all earlier databases, of which a leader may still hang.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ryu_haslb.errors import HaslbError

#: The OVSDB schema of the database.
SCHEMA = Path(__file__).with_name("haslb.ovsschema")
NAME = "HASLB"
#: The ports of the servers among themselves (Raft), and for members.
RAFT_PORT, MEMBER_PORT = 6644, 6641
#: Seconds of silence after which a server probes a member; after as long again it gives the member's lock to another.
INACTIVITY_PROBE = 1.0


class ServerFileError(HaslbError):
    """``ovsdb-tool`` has made no file; the text says why."""


def create(file: Path, own: str, listen: str) -> None:
    """Make the file of the first server.

    ``own`` is its Raft address in OVSDB's form (``tcp:ADDRESS:PORT``), ``listen`` is where all servers listen for
    members (``ptcp:PORT``). Raises: ServerFileError.
    """
    with tempfile.TemporaryDirectory() as directory:
        alone = str(Path(directory) / "alone.db")
        _ovsdb_tool("create", alone, str(SCHEMA))
        _ovsdb_tool("transact", alone, json.dumps(_first_rows(listen)))
        _ovsdb_tool("create-cluster", str(file), alone, own)


def join(file: Path, own: str, others: Sequence[str]) -> None:
    """Make the file of a further server, which gets the database from the ``others``. Raises: ServerFileError."""
    _ovsdb_tool("join-cluster", str(file), NAME, own, *others)


def start_command(file: Path) -> list[str]:
    """The command that starts the server of a file."""
    files = {name: file.with_suffix(f".{name}") for name in ("pid", "log", "ctl")}
    return [
        "ovsdb-server",
        str(file),
        f"--remote=db:{NAME},Cluster,connections",
        f"--pidfile={files['pid']}",
        f"--log-file={files['log']}",
        f"--unixctl={files['ctl']}",
        "--detach",
        "--no-chdir",
    ]


def _first_rows(listen: str) -> list[object]:
    probe = int(INACTIVITY_PROBE * 1000)
    return [
        NAME,
        {
            "op": "insert",
            "table": "Connection",
            "row": {"target": listen, "inactivity_probe": probe},
            "uuid-name": "listen",
        },
        {
            "op": "insert",
            "table": "Cluster",
            "row": {"generation": int(time.time()), "connections": ["named-uuid", "listen"]},
        },
    ]


def _ovsdb_tool(*words: str) -> None:
    try:
        done = subprocess.run(["ovsdb-tool", *words], check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ServerFileError("ovsdb-tool is not installed; try: apt-get install openvswitch-common") from error
    answer = done.stdout
    failed = words[0] == "transact" and '"error"' in answer
    if done.returncode or failed:
        raise ServerFileError((done.stderr.strip() or answer.strip()).splitlines()[-1])
