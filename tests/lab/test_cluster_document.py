"""The commands of docs/cluster.md and docs/backup.md, run to the letter on machines with the addresses in them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from certificates import Authority
from machines import Machine, eventually, machines

from haslb_lab.runner import preflight

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = (REPOSITORY / "docs" / "cluster.md").read_text()
BACKUP = (REPOSITORY / "docs" / "backup.md").read_text()
CONFIGURATION = REPOSITORY / "topologies" / "chassis.ios"
STATUS = "ovs-appctl -t /var/lib/haslb/haslb.ctl cluster/status HASLB"
DUMP = "ovsdb-client dump tcp:192.0.2.1:6641 HASLB Cluster"
CONFIGURATIONS = "ovsdb-client dump tcp:192.0.2.%d:6641 HASLB Configuration"
_ADDRESS = re.compile(r"# on (192\.0\.2\.\d)$")


def commands(heading: str, document: str = DOCUMENT) -> list[str]:
    """The indented lines below a heading; a line that goes on in the next one is one with it."""
    _, _, rest = document.partition(f"\n{heading}\n")
    assert rest, f"the document has no {heading}"
    section = re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0].replace("\\\n", "")
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


class Operator:
    """Enters commands, each on the machine that it names, else on the first one."""

    def __init__(self, hosts: Sequence[Machine], folder: Path) -> None:
        self.machines = {machine.address: machine for machine in hosts}
        self._first, self._folder = hosts[0], folder
        self._exports = "cd /etc/haslb"
        for machine in hosts:
            machine.run(f"cp {CONFIGURATION} /etc/haslb/haslb.ios")

    def enter(self, lines: Sequence[str]) -> None:
        for line in lines:
            named = _ADDRESS.search(line)
            machine = self.machines[named[1]] if named else self._first
            if line.startswith("export "):
                self._exports += f"; {line}"
            elif line.startswith("haslb cluster ") and " schema" not in line:
                machine.run(f"{self._exports}; ({line}\n) | sh")  # the command that is printed, as the document says
            elif "haslb run" in line:
                machine.start(f"{self._exports}; {line}", self._folder / f"{machine.address}.log")
                eventually(machine, "haslb show redundancy", "since = 2")  # the first one leads, the next follow
            elif line.startswith("ovs-vsctl"):
                subprocess.run(line.split(), check=True)
            else:
                print(line, machine.run(f"{self._exports}; {line}"), sep="\n")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    preflight.check_machine()  # starts Open vSwitch
    with machines(*(f"192.0.2.{number}" for number in range(1, 5))) as hosts:
        subprocess.run(["ovs-vsctl", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"], check=True)
        try:
            yield Operator(hosts, tmp_path)
        finally:
            subprocess.run(["ovs-vsctl", "del-br", "br0"], check=True)


def test_three_machines_are_set_up_upgraded_and_replaced(operator: Operator) -> None:
    one, two, three, four = operator.machines.values()
    operator.enter(commands("## Set-up on three machines"))
    eventually(one, "haslb show redundancy", "state = leader")
    eventually(two, "haslb show redundancy", "state = standby")
    eventually(one, "haslb show ip slb switches", "master")
    eventually(two, "haslb show ip slb switches detail", "standby = following")

    operator.enter(commands("### The database's schema"))
    assert "state = leader" in one.run("haslb show redundancy")

    operator.enter(commands("### Members, one after the other"))
    eventually(two, "haslb show redundancy", "state = leader")

    three.end()
    operator.enter(commands("### Replace a database server"))
    eventually(four, STATUS, "Status: cluster member")
    listed = one.run(STATUS)
    assert "192.0.2.4" in listed and "192.0.2.3" not in listed
    assert "state = leader" in two.run("haslb show redundancy")


def test_every_connection_uses_tls(operator: Operator, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    for address, machine in operator.machines.items():
        own = authority.issue(address)
        files = {"key.pem": own.key, "cert.pem": own.path, "ca.pem": authority.certificate.path}
        machine.run("; ".join(f"cp {file} /etc/haslb/{name}" for name, file in files.items()))
    one, *_ = operator.machines.values()
    operator.enter(commands("## TLS throughout"))
    eventually(one, "haslb show redundancy", "state = leader")
    assert "Address: ssl:192.0.2.1:6644" in one.run(STATUS)
    refused = one.run("timeout 5 ovsdb-client list-dbs tcp:192.0.2.1:6641 2>&1 || true")
    assert "HASLB" not in refused


def test_members_follow_a_database_that_was_made_anew(operator: Operator) -> None:
    """All its servers are lost for good. The members were not restarted, and one of them leads it."""
    setup = commands("## Set-up on three machines")
    operator.enter(setup)
    one, two, three, _ = operator.machines.values()
    for machine in (one, two, three):
        machine.run("kill -9 $(cat /var/lib/haslb/haslb.pid); rm /var/lib/haslb/*")
    eventually(one, "haslb show redundancy", "state = isolated")
    operator.enter([line for line in setup if line.startswith("haslb cluster")])
    for machine in (one, two):
        eventually(machine, "haslb show redundancy", "database connected = yes")
    eventually(one, DUMP, '"20')  # since when it is led
    assert "state = leader" in one.run("haslb show redundancy") + two.run("haslb show redundancy")


def test_a_database_of_which_all_is_lost_is_made_from_its_backup_and_then_from_a_file(operator: Operator) -> None:
    setup = commands("## Set-up on three machines")
    servers, members = (
        [line for line in setup if re.search(word, line)] for word in ("haslb cluster", "export|haslb run")
    )
    lines = commands("## The database of a cluster", BACKUP)
    take, make, make_of_file = lines[:3], lines[3:5], lines[5:]
    assert "create-cluster" in make[0] and "cluster-to-standalone" in make_of_file[0]
    one, two, three, _ = operator.machines.values()

    def lose_all() -> None:
        for machine in (one, two, three):
            machine.run("kill -9 $(pgrep -f '[h]aslb-manager|[o]vsdb-server') || true")  # the watchdog ends by itself
            machine.run("mv /var/lib/haslb/haslb.db /etc/haslb; rm /var/lib/haslb/*")

    operator.enter(servers + members[:2])
    one.run("haslb config 'ip slb serverfarm HAFARM' 'real 10.1.1.51' 'weight 77'")
    operator.enter(take)
    lose_all()
    operator.enter(make + servers[1:] + members[:2])
    eventually(one, "haslb show redundancy", "state = leader")
    eventually(one, "haslb show running-config", "weight 77")
    eventually(three, CONFIGURATIONS % 3, "weight 77")

    lose_all()
    operator.enter(make_of_file + make[1:])
    eventually(one, CONFIGURATIONS % 1, "weight 77")
