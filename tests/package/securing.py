"""The commands of docs/securing.md, entered to the letter where docs/first-switch.md has been followed."""

from __future__ import annotations

import re

from package.debian_machine import ROOT, Machine, blocks

PAGE = ROOT / "docs" / "securing.md"
#: The open installation, with the addresses of the page. All its machines are this one.
OPEN = """
sysctl --quiet --write net.ipv4.conf.all.arp_ignore=1
for address in 192.0.2.1 10.1.1.51; do ip address add $address/32 dev lo; done
ip route replace local 10.1.1.51 dev lo table local src 192.0.2.1
sed -i 's/^HASLB_OPTIONS=.*/HASLB_OPTIONS="--listen 192.0.2.1"/; s/^HASLB_HTTP=.*/HASLB_HTTP=192.0.2.1:8080/' \
    /etc/default/haslb
haslb config 'ip slb dfp' 'agent 10.1.1.51 500 0 0 1'
haslb write memory
systemctl restart haslb
ovs-vsctl set-controller br0 tcp:192.0.2.1:6653
mkdir /run/operator
"""
AGENT = "haslb-dfp-agent --address 10.1.1.51"
#: What the last commands of a block show in the end.
SHOWN = {
    "haslb show ip slb switches": ["0000000000000001 .* master "],
    "haslb configure confirm": ["confirmed: "],
    "haslb show ip slb dfp": ["10.1.1.51 .* connected"],
    "haslb show ip slb dfp weights": [" master ", "Real IP Address: 10.1.1.51 .* Weight: "],
    "haslb write memory": ["lines written"],
    "haslb show logging '|' include OpenFlow port": [r"192\.0\.2\.1:6653", r"127\.0\.0\.1:8080"],
}
#: Commands that are to fail, and what they say.
REFUSED = {"openssl s_client": "alert handshake failure", "curl": "Failed to connect"}


def secure(machine: Machine) -> None:
    """Open the installation, and follow the page; then it is closed."""
    machine.must("apt-get install --yes --no-install-recommends curl openssl")
    machine.must(OPEN)
    start_agent(machine, AGENT)
    machine.until("haslb show ip slb switches; haslb show ip slb dfp", " master ", " connected")
    machine.must("curl --silent http://192.0.2.1:8080/")
    for block in blocks(PAGE):
        enter(machine, block)


def enter(machine: Machine, block: str) -> None:
    """Enter a block of the page, and see that it shows what it has to, or fails as it has to."""
    lines = block.strip().splitlines()
    shown = SHOWN.get(lines[-1], [])
    refusal = next((text for command, text in REFUSED.items() if block.startswith(command)), None)
    if refusal:
        ran = machine.run(block)
        assert ran.returncode != 0 and refusal in ran.stdout
    elif block.startswith(AGENT):
        machine.must("kill $(cat /run/agent.pid)")
        start_agent(machine, block.strip())
    elif all(line.startswith(("haslb show", "ss ")) for line in lines):
        machine.until(block, *shown)
    else:
        output = machine.must(f"cd /run/operator\n{block}")
        assert all(re.search(text, output) for text in shown)


def start_agent(machine: Machine, command: str) -> None:
    """Start a DFP agent in the background."""
    machine.must(f"setsid {command} > /run/agent.log 2>&1 < /dev/null & echo $! > /run/agent.pid")
