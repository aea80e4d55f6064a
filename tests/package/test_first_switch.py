"""The commands of docs/first-switch.md, run to the letter on a Debian 12 of its own: ``tools/in-debian``.

Before the page takes everything away, the package is upgraded as docs/upgrading.md says, and the installation is closed
as docs/securing.md says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from package.debian_machine import ROOT, Machine, blocks
from package.securing import secure

pytestmark = pytest.mark.skipif(not Path("/run/in-debian").exists(), reason="needs tools/in-debian: make try-deb")

PAGE = ROOT / "docs" / "first-switch.md"
#: Blocks of commands whose output shows what has to be there in the end, by what they end with.
SHOWN = {
    "haslb show ip slb switches\nhaslb show ip slb reals": [
        "0000000000000001 .* master ",
        "10.1.1.51 .*OPERATIONAL",
        "10.1.1.52 .*OPERATIONAL",
    ],
    "haslb show ip slb sessions ipmobile\nhaslb show ip slb reals": ["10.1.1.101 .*IPMOBILE_ESTAB"],
    "ovs-ofctl -O OpenFlow13 dump-flows br0 table=1": ["nw_dst=10.1.1.10.*set_field"],
    "haslb show version": ["10.1.1.52 .* 3 ", "IPMOBILE_ESTAB", r"\(compiled\)", "os-ken 2.5", "uptime is"],
}
#: The kernel's datapath need not be there where CI runs: the bridge is one of user space.
BRIDGE, IN_USER_SPACE = "ovs-vsctl add-br br0\n", "ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev\n"
#: Each dependency of the installed package, as Python names it, is there in the version that it needs.
DEPENDENCIES = r"""
import re
from importlib.metadata import requires, version
for each in requires("ryu-haslb"):
    if "extra" not in each:
        name, least = re.fullmatch(r"([\w-]+) *\(?>=([\d.]+)\)?", each).groups()
        have = [int(part) for part in version(name).split(".")[:2]]
        assert have >= [int(part) for part in least.split(".")[:2]], (name, have, least)
"""
#: The package once more as a newer version, with other settings and another example.
NEWER = """
dpkg-deb --raw-extract $(ls -t dist/haslb_*.deb | head -n 1) /run/newer
sed -i 's/^Version: .*/Version: 99/' /run/newer/DEBIAN/control
for each in default/haslb haslb/example.ios; do echo '# newer' >> /run/newer/etc/$each; done
dpkg-deb --build /run/newer /run/haslb_99.deb
"""
UPGRADES = re.findall(
    r"^    (apt-get install -o .*) \./haslb_VERSION_amd64\.deb$", (PAGE.parent / "upgrading.md").read_text(), re.M
)
#: Prints what zsh makes of a command line in which Tab is pressed.
IN_ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f
zpty -w shell "PROMPT=; autoload -Uz compinit; compinit -u -D; shown() { print -r -- \"<\$BUFFER>\" }; zle -N shown"
zpty -w shell "bindkey '^X' shown"
zpty -w -n shell "$1"$'\t\x18'
zpty -r -m shell output '*<haslb *>*'
print -r -- ${${output##*<}%%>*}
"""
METRICS = (
    """python3 -c 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:8080/metrics").read().decode())'"""
)


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.end()
    print(Path("/run/haslb.log").read_text())


def follow(machine: Machine, block: str) -> None:
    """Run a block of the page; one that shows something until it shows what it has to."""
    wanted = next((texts for end, texts in SHOWN.items() if block.strip().endswith(end)), ())
    if not wanted:
        machine.must(block.replace(BRIDGE, IN_USER_SPACE))
    else:
        machine.until(block, *wanted)


def upgrade(machine: Machine) -> None:
    """Upgrade while a session lives, and an operator's settings differ from those of both versions."""
    mine = "cat /etc/haslb/haslb.ios /etc/default/haslb"
    before = machine.must(mine)
    (command,) = UPGRADES
    machine.must(NEWER)
    machine.must(f"{command} /run/haslb_99.deb < /dev/null")
    assert machine.must("dpkg-query --show haslb").split() == ["haslb", "99"]
    assert machine.must(mine) == before
    assert machine.must("tail -n 1 /etc/haslb/example.ios") == "# newer\n"
    # There is no systemd here that the package could ask to restart the service.
    machine.must("grep 'deb-systemd-invoke.*haslb' /var/lib/dpkg/info/haslb.postinst && systemctl restart haslb")
    follow(machine, next(block for block in blocks(PAGE) if block.endswith("haslb show version\n")))


def complete(machine: Machine) -> None:
    """The installed scripts complete words in the shells themselves."""
    machine.must("apt-get install --yes --no-install-recommends zsh fish")
    in_bash = "source /usr/share/bash-completion/completions/haslb; COMP_WORDS=(haslb sho); COMP_CWORD=1; _haslb"
    assert machine.must(f'{in_bash}; echo "${{COMPREPLY[*]}}"') == "show\n"
    assert machine.must("fish -c 'complete -C \"haslb show ip slb rea\"'") == "reals\tReal servers\n"
    assert machine.must("fish -c 'complete -C \"haslb check set\"'") == "setup.cfg\nsetup.py\n"
    assert machine.must("fish -c 'complete -C \"haslb show ip slb reals sfarm set\"'") == ""
    Path("/run/complete.zsh").write_text(IN_ZSH)
    assert machine.must("zsh -f /run/complete.zsh 'haslb show ip slb rea'") == "haslb show ip slb reals \n"
    assert machine.must("zsh -f /run/complete.zsh 'haslb check setup.c'") == "haslb check setup.cfg \n"
    in_vain = "haslb show ip slb reals sfarm setup.c"
    assert machine.must(f"zsh -f /run/complete.zsh '{in_vain}'") == f"{in_vain}\n"


def test_the_page_shows_what_is_waited_for() -> None:
    assert all(any(block.strip().endswith(end) for block in blocks(PAGE)) for end in SHOWN)


def test_the_page_is_followed_to_the_letter_with_debians_own_python(machine: Machine) -> None:
    for block in blocks(PAGE):
        if block.startswith("haslb retire"):
            upgrade(machine)
            secure(machine)
        follow(machine, block)
        if "HASLB_HTTP" in block:
            assert "haslb_sessions" in machine.must(METRICS)
        if "openvswitch-switch" in block:
            machine.must("/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random --no-monitor")
            machine.must(f"/usr/bin/python3 -c '{DEPENDENCIES}'")
            assert machine.must("haslb --version").endswith(" (compiled)\n")
            machine.must("systemd-analyze security --offline=true --threshold=30 /lib/systemd/system/haslb.service")
            machine.must("systemd-analyze verify --man=no /lib/systemd/system/haslb.service")
    assert machine.must("stat --format '%U:%G %a' /etc/haslb") == "root:haslb 2770\n"
    complete(machine)
    machine.must("dpkg --purge haslb")
    assert machine.run("haslb --version").returncode != 0
    assert not Path("/etc/haslb/example.ios").exists()
