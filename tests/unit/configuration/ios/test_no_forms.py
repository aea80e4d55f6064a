"""What ``no`` does to every configuration command: it undoes the command, as on IOS, or it is an error.

Each command of the grammar has a row here; a command without one fails :func:`test_every_command_has_its_no_form`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

import pytest

from ryu_haslb.configuration.draft import Draft
from ryu_haslb.configuration.ios.actions import ignore
from ryu_haslb.configuration.ios.blocks import END, EXIT, Blocks, ConfigurationAction, ConfigurationMode
from ryu_haslb.configuration.ios.command_table import GLOBAL
from ryu_haslb.configuration.ios.home_agent import HOME_AGENT, _Draft
from ryu_haslb.configuration.ios.reader import read_configuration
from ryu_haslb.language.diagnostics import Diagnostics
from ryu_haslb.language.grammar import Command, match

FARM = "ip slb serverfarm F"
REAL = f"{FARM}\nreal 10.1.1.51"
PING = "ip slb probe P ping"
IPMOBILE = "ip slb probe M ipmobile"
SERVER = "ip slb vserver V"
DFP = "ip slb dfp"
DATAPATH = "ip slb datapath 1 address 192.0.2.11 certificate switch 1"
POLICY = "crypto isakmp policy 1"
SET = "crypto ipsec transform-set S esp-des"
MAP = "crypto map M 1 ipsec-isakmp"
PORT = "interface FastEthernet3/15"
VLAN = "interface Vlan15"
NAMED = "ip access-list extended NAMED"
LOOPBACK = "interface Loopback1"
AGENT = "ip dfp agent ipmobile"


@dataclass(frozen=True)
class NoForm:
    """``undone_by`` are the ``no`` forms that each undo ``command`` in ``block``; ``refused`` those that are errors."""

    block: str
    command: str
    undone_by: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    mode: ConfigurationMode = GLOBAL


#: `no` forms that may go on with the name or the password of what they undo. One with the name of another changes
#: nothing (test_no_with_the_name_of_another_removes_nothing_and_is_remarked); IOS does not compare passwords.
TAKE_A_WORD = {
    "no serverfarm",
    "no nai",
    "no probe",
    "no crypto map",
    "no set transform-set",
    "no set transform-set S T",
    "no inservice standby HSRP",
    "no match address",
    "no remark",
    "no remark PDSN",
    "no ip slb dfp password",
    f"no {DATAPATH}",
    "no password",
}

NO_FORMS = (
    NoForm(REAL, "weight 5", ("no weight", "no weight 5", "no weight 7"), ("no weight 300", "no weight 5 6")),
    NoForm(REAL, "maxconns 5", ("no maxconns", "no maxconns 5"), ("no maxconns 0",)),
    NoForm(
        REAL,
        "faildetect numconns 5 numclients 5",
        (
            "no faildetect",
            "no faildetect numconns",
            "no faildetect numconns 5",
            "no faildetect numconns 5 numclients 5",
        ),
        ("no faildetect numclients", "no faildetect inbound", "no faildetect numconns 5 inband"),
    ),
    NoForm(REAL, "no faildetect inband", ("faildetect inband",), ("no faildetect inband 5",)),
    NoForm(REAL, "reassign 1", ("no reassign", "no reassign 1"), ("no reassign 9",)),
    NoForm(REAL, "retry 5", ("no retry", "no retry 5"), ("no retry 3601",)),
    NoForm(REAL, "drain", ("no drain", "no drain move"), ("no drain now",)),
    NoForm(REAL, "drain move", ("no drain", "no drain move"), ("no drain move now",)),
    NoForm(REAL, "inservice", ("no inservice",), ("no inservice standby",)),
    NoForm(
        REAL,
        "location 0200.0000.0051 2 vlan 15 datapath 1",
        ("no location", "no location datapath 1", "no location 0200.0000.0051 2 vlan 15 datapath 1"),
        ("no location 0200.0000.0051", "no location datapath"),
    ),
    NoForm("", PING, ("no ip slb probe P", "no ip slb probe P ping"), ("no ip slb probe", "no ip slb probe P please")),
    NoForm("", IPMOBILE, ("no ip slb probe M", "no ip slb probe M ipmobile")),
    NoForm("", "ip slb probe W http", ("no ip slb probe W", "no ip slb probe W http")),
    NoForm(PING, "interval 5", ("no interval", "no interval 5"), ("no interval 0",)),
    NoForm(PING, "faildetect 5", ("no faildetect", "no faildetect 5"), ("no faildetect 256",)),
    NoForm(PING, "source 10.1.1.9", ("no source", "no source 10.1.1.9"), ("no source please",)),
    NoForm(IPMOBILE, "nai probe@example.org", ("no nai", "no nai probe@example.org")),
    NoForm(FARM, "probe P", ("no probe", "no probe P")),
    NoForm(FARM, "nat server", ("no nat server",), ("no nat", "no nat source")),
    NoForm(
        FARM,
        "predictor leastconns",
        ("no predictor", "no predictor leastconns", "no predictor roundrobin"),
        ("no predictor random",),
    ),
    NoForm(FARM, "real 10.1.1.52", ("no real 10.1.1.52",), ("no real", "no real 10.1.1.52 434 weight 3")),
    NoForm(FARM, "real 10.1.1.52 434", ("no real 10.1.1.52 434",)),
    NoForm(
        "",
        "ip slb entries conn 8000 20000",
        ("no ip slb entries", "no ip slb entries conn", "no ip slb entries conn 8000 20000", "ip slb entries 8000"),
        ("no ip slb entries conn 0", "no ip slb entries conn 8000 20000 5"),
    ),
    NoForm("", FARM, ("no ip slb serverfarm F",), ("no ip slb serverfarm", "no ip slb serverfarm F G")),
    NoForm(
        SERVER,
        "virtual 10.1.1.10 udp 434 service ipmobile",
        ("no virtual", "no virtual 10.1.1.10 udp 434 service ipmobile"),
        ("no virtual 10.1.1.10 tcp 434", "no virtual all"),
    ),
    NoForm(SERVER, "virtual 10.1.1.10 tcp 80 service per-packet", (), ("no virtual 10.1.1.10 tcp 80",)),
    NoForm(SERVER, "serverfarm F backup G sticky", ("no serverfarm", "no serverfarm F"), ("no serverfarm F backup G",)),
    NoForm(SERVER, "inservice standby HSRP", ("no inservice standby HSRP", "no inservice")),
    NoForm(SERVER, "serverfarm F", ("no serverfarm", "no serverfarm F"), ("no serverfarm F backup G",)),
    NoForm(
        SERVER,
        "idle ipmobile request 20",
        ("no idle ipmobile request", "no idle ipmobile request 20"),
        ("no idle", "no idle ipmobile request 0"),
    ),
    NoForm(SERVER, "client 15.1.0.0 255.255.0.0", ("no client 15.1.0.0 255.255.0.0",), ("no client", "no client any")),
    NoForm(
        SERVER,
        "client 15.1.0.0 255.255.0.0 exclude",
        ("no client 15.1.0.0 255.255.0.0 exclude", "no client 15.1.0.0 255.255.0.0"),
    ),
    NoForm(SERVER, "inservice", ("no inservice",), ("no inservice now",)),
    NoForm("", SERVER, ("no ip slb vserver V",), ("no ip slb vserver",)),
    NoForm(
        "ip slb datapath 2",
        DATAPATH,
        ("no ip slb datapath 1", f"no {DATAPATH}"),
        ("no ip slb datapath", "no ip slb datapath 1 192.0.2.11", "no ip slb datapath 1 address"),
    ),
    NoForm("", DFP, ("no ip slb dfp",), ("no ip slb dfp agent",)),
    NoForm(
        DFP,
        "ip slb dfp password cisco 60",
        (
            "no ip slb dfp password",
            "no ip slb dfp password cisco",
            "no ip slb dfp password 0 cisco 60",
            "no ip slb dfp password 7 0822455D0A16",
        ),
        ("no ip slb dfp password 7 0822455D0A16 60 60",),
    ),
    NoForm(
        DFP,
        "agent 10.1.1.51 500 30 5 60",
        ("no agent 10.1.1.51 500", "no agent 10.1.1.51 500 30 5 60"),
        ("no agent 10.1.1.51", "no agent 10.1.1.51 500 please"),
    ),
    NoForm("", VLAN, ("no interface Vlan15", "no interface Vlan 15"), ("no interface Vlan15 16",)),
    NoForm(
        VLAN,
        "ip address 10.1.1.15 255.0.0.0",
        ("no ip address", "no ip address 10.1.1.15 255.0.0.0"),
        ("no ip address 10.1.1.15",),
    ),
    NoForm(
        VLAN,
        "ip address 10.2.1.15 255.255.255.0 secondary",
        ("no ip address 10.2.1.15 255.255.255.0 secondary", "no ip address"),
        ("no ip address secondary",),
    ),
    NoForm(SERVER, "client vlan 15,16", ("no client vlan", "no client vlan 15,16"), ("no client vlan 0",)),
    NoForm(PORT, "switchport access vlan 15", ("no switchport access vlan", "no switchport access vlan 15")),
    NoForm(VLAN, "crypto map M", ("no crypto map", "no crypto map M")),
    NoForm(VLAN, "description HA VLAN", ("no description", "no description HA VLAN")),
    NoForm(VLAN, "no shutdown"),
    NoForm(VLAN, "no ip redirects"),
    NoForm(VLAN, "no mop enabled"),
    NoForm(
        "",
        "ip route 20.0.0.0 255.0.0.0 10.1.1.1",
        ("no ip route 20.0.0.0 255.0.0.0", "no ip route 20.0.0.0 255.0.0.0 10.1.1.1"),
        ("no ip route", "no ip route 20.0.0.0"),
    ),
    NoForm(
        "",
        "arp 10.1.1.51 0011.2233.4455 ARPA FastEthernet3/15",
        ("no arp 10.1.1.51", "no arp 10.1.1.51 0011.2233.4455", "no arp 10.1.1.51 0011.2233.4455 ARPA"),
        ("no arp", "no arp 10.1.1.51 ARPA"),
    ),
    NoForm("", "version 12.2", (), ("no version",)),
    NoForm("", "hostname SLB1-7600", (), ("no hostname",)),
    NoForm("", POLICY, ("no crypto isakmp policy 1",), ("no crypto isakmp policy",)),
    NoForm(
        POLICY,
        "authentication pre-share",
        ("no authentication", "no authentication pre-share"),
        ("no authentication none",),
    ),
    NoForm(POLICY, "encryption aes 256", ("no encryption", "no encryption aes 256"), ("no encryption rot13",)),
    NoForm(POLICY, "hash md5", ("no hash", "no hash md5"), ("no hash crc",)),
    NoForm(POLICY, "group 2", ("no group", "no group 2"), ("no group 3",)),
    NoForm(POLICY, "lifetime 60", ("no lifetime", "no lifetime 60"), ("no lifetime 5",)),
    NoForm(
        "",
        "crypto isakmp key cisco address 15.1.1.51",
        ("no crypto isakmp key cisco address 15.1.1.51", "no crypto isakmp key 0 cisco address 15.1.1.51 no-xauth"),
        ("no crypto isakmp key", "no crypto isakmp key cisco"),
    ),
    NoForm(
        "",
        "crypto isakmp keepalive 10 2",
        ("no crypto isakmp keepalive", "no crypto isakmp keepalive 10 2"),
        ("no crypto isakmp keepalive off",),
    ),
    NoForm(
        "",
        SET,
        ("no crypto ipsec transform-set S", "no crypto ipsec transform-set S esp-des"),
        ("no crypto ipsec transform-set", "no crypto ipsec transform-set S T"),
    ),
    NoForm(SET, "mode transport", ("no mode", "no mode transport"), ("no mode any",)),
    NoForm(
        "",
        "crypto ipsec security-association lifetime seconds 200",
        (
            "no crypto ipsec security-association lifetime seconds",
            "no crypto ipsec security-association lifetime seconds 200",
        ),
        ("no crypto ipsec security-association lifetime", "no crypto ipsec security-association lifetime hours 2"),
    ),
    NoForm("", MAP, ("no crypto map M", "no crypto map M 1", "no crypto map M 1 ipsec-isakmp")),
    NoForm(
        MAP,
        "set peer 15.1.1.51",
        ("no set peer", "no set peer 15.1.1.51", "no set peer 15.1.1.51 default"),
        ("no set peer any",),
    ),
    NoForm(MAP, "set transform-set S T", ("no set transform-set", "no set transform-set S T"), ()),
    NoForm(MAP, "set pfs group2", ("no set pfs", "no set pfs group2"), ("no set pfs group3",)),
    NoForm(
        MAP,
        "set security-association lifetime seconds 200",
        ("no set security-association lifetime seconds", "no set security-association lifetime seconds 200"),
        ("no set security-association lifetime",),
    ),
    NoForm(MAP, "match address 101", ("no match address", "no match address 101"), ("no match", "no match address 1")),
    NoForm(MAP, "description PDSN", ("no description", "no description PDSN")),
    NoForm(PORT, "ip address 10.1.1.51 255.0.0.0", ("no ip address", "no ip address 10.1.1.51 255.0.0.0")),
    NoForm(PORT, "crypto map M", ("no crypto map", "no crypto map M")),
    NoForm(PORT, "crypto connect vlan 15", ("no crypto connect vlan", "no crypto connect vlan 15")),
    NoForm(
        PORT,
        "switchport trunk allowed vlan 1,15",
        ("no switchport trunk allowed vlan",),
        ("no switchport trunk allowed vlan 15",),
    ),
    NoForm(PORT, "switchport", ("no switchport",)),
    NoForm(PORT, "switchport trunk encapsulation dot1q", ("no switchport trunk encapsulation",)),
    NoForm(PORT, "switchport mode trunk", ("no switchport mode",)),
    NoForm(PORT, "description outside", ("no description",)),
    NoForm(PORT, "no shutdown"),
    NoForm("", f"{PORT}\nip address 10.1.1.51 255.0.0.0", ("no interface FastEthernet3/15",)),
    NoForm(
        "",
        "access-list 101 permit ip any any",
        ("no access-list 101",),
        ("no access-list 101 permit ip any any", "no access-list", "no access-list 101 all", "no access-list all"),
    ),
    NoForm("", "access-list 101 permit udp any any eq 434", ("no access-list 101",)),
    NoForm("", "access-list 101 remark PDSN", (), ("no access-list 101 remark PDSN",)),
    NoForm(
        "",
        "ip access-list extended NAMED\npermit ip any any",
        ("no ip access-list extended NAMED",),
        ("no ip access-list", "no ip access-list NAMED", "no ip access-list extended NAMED permit"),
    ),
    NoForm(
        NAMED,
        "20 permit ip host 10.1.1.1 any",
        ("no permit ip host 10.1.1.1 any", "no 20"),
        ("no permit", "no permit ip any", "no permit ip any any log"),
    ),
    NoForm(NAMED, "permit udp any any eq 434", (), ("no permit udp any any eq 434",)),
    NoForm(NAMED, "remark PDSN", ("no remark", "no remark PDSN")),
    NoForm("", LOOPBACK, ("no interface Loopback1",), (), HOME_AGENT),
    NoForm(
        LOOPBACK,
        "ip address 10.1.1.10 255.255.255.0",
        ("no ip address", "no ip address 10.1.1.10 255.255.255.0"),
        (),
        HOME_AGENT,
    ),
    NoForm(LOOPBACK, "description virtual", ("no description",), (), HOME_AGENT),
    NoForm(LOOPBACK, "no shutdown", (), (), HOME_AGENT),
    NoForm(
        "",
        "ip mobile home-agent dynamic-address 10.1.1.51",
        ("no ip mobile home-agent dynamic-address", "no ip mobile home-agent dynamic-address 10.1.1.51"),
        ("no ip mobile home-agent dynamic-address 10.1.1.51 10.1.1.52",),
        HOME_AGENT,
    ),
    NoForm("", AGENT, ("no ip dfp agent ipmobile",), (), HOME_AGENT),
    NoForm(AGENT, "port 500", ("no port", "no port 500"), ("no port all",), HOME_AGENT),
    NoForm(AGENT, "interval 20", ("no interval", "no interval 20"), ("no interval 1",), HOME_AGENT),
    NoForm(
        AGENT,
        "password 0 cisco 60",
        ("no password", "no password cisco", "no password 7 0822455D0A16 60"),
        ("no password cisco 60 60",),
        HOME_AGENT,
    ),
    NoForm(AGENT, "inservice", ("no inservice",), ("no inservice now",), HOME_AGENT),
)


def run(mode: ConfigurationMode, *texts: str) -> tuple[object, list[str]]:
    """What the commands make, without the lines of the commands, and the errors."""
    diagnostics = Diagnostics("slb.ios")
    draft = Draft() if mode is GLOBAL else _Draft()
    Blocks(mode, draft, diagnostics).read("\n".join(texts))
    made: object = draft
    if isinstance(draft, Draft):
        for server in draft.virtual_servers.values():
            server.address_line = server.farm_line = server.idle_line = 0
        if draft.dfp is not None:
            draft.dfp.lines.clear()
        for entry in draft.crypto.maps.values():
            entry.lines.clear()
        for vlan in draft.vlans.values():
            vlan.crypto_map_line = 0
        for key, port in list(draft.ports.items()):
            port.lines.clear()
            if not port.is_configured:
                del draft.ports[key]
    return made, [str(error) for error in diagnostics.errors]


def identified(form: NoForm) -> str:
    return f"{form.block.rpartition(chr(10))[2]} / {form.command.rpartition(chr(10))[2]}"


@pytest.mark.parametrize("form", NO_FORMS, ids=identified)
def test_no_undoes_its_command_and_nothing_else(form: NoForm) -> None:
    """IOS: `no COMMAND` returns to what holds without the command, with or without the words of the command."""
    without, errors = run(form.mode, form.block)
    assert errors == []
    configured, errors = run(form.mode, form.block, form.command)
    assert errors == []
    for undoing in form.undone_by:
        undone, errors = run(form.mode, form.block, form.command, undoing)
        assert errors == [], undoing
        assert undone == without, undoing
    assert (configured == without) or form.undone_by or form.refused


@pytest.mark.parametrize("form", NO_FORMS, ids=identified)
def test_words_after_a_no_form_are_never_swallowed(form: NoForm) -> None:
    configured, _ = run(form.mode, form.block, form.command)
    for refused in form.refused:
        unchanged, errors = run(form.mode, form.block, form.command, refused)
        assert errors, refused
        assert unchanged == configured, refused
    for undoing in form.undone_by:
        if undoing in TAKE_A_WORD or undoing.startswith("no description"):
            continue
        unchanged, errors = run(form.mode, form.block, form.command, f"{undoing} frobnicate")
        assert errors, undoing
        assert unchanged == configured, undoing


@pytest.mark.parametrize(
    ("block", "command", "undoing"),
    [
        (SERVER, "virtual 10.1.1.10 udp 434 service ipmobile", "no virtual 10.1.1.11 udp 434 service ipmobile"),
        (SERVER, "serverfarm F", "no serverfarm G"),
        ("ip slb datapath 2", DATAPATH, "no ip slb datapath 1 address 192.0.2.12"),
        ("ip slb datapath 2", DATAPATH, f"no {DATAPATH} 2"),
        (SERVER, "client 15.1.0.0 255.255.0.0", "no client 15.1.0.0 255.255.0.0 exclude"),
        (VLAN, "ip address 10.1.1.15 255.0.0.0", "no ip address 10.1.1.16 255.0.0.0"),
        (VLAN, "crypto map M", "no crypto map N"),
        (PORT, "ip address 10.1.1.15 255.0.0.0", "no ip address 10.1.1.16 255.0.0.0"),
        (PORT, "crypto map M", "no crypto map N"),
        (PORT, "crypto connect vlan 15", "no crypto connect vlan 16"),
        (MAP, "set peer 15.1.1.51\nset peer 15.1.1.53", "no set peer 15.1.1.52"),
        ("", "crypto isakmp key cisco address 15.1.1.51", "no crypto isakmp key other address 15.1.1.51"),
        ("", "ip route 20.0.0.0 255.0.0.0 10.1.1.1", "no ip route 20.0.0.0 255.0.0.0 10.1.1.2"),
    ],
)
def test_no_with_the_name_of_another_removes_nothing_and_is_remarked(block: str, command: str, undoing: str) -> None:
    diagnostics = Diagnostics("slb.ios")
    draft = Draft()
    Blocks(GLOBAL, draft, diagnostics).read(f"{block}\n{command}\n{undoing}")
    assert diagnostics.errors == []
    assert len(diagnostics.warnings) == 1
    assert run(GLOBAL, block, command, undoing)[0] == run(GLOBAL, block, command)[0]


@pytest.mark.parametrize("form", NO_FORMS, ids=identified)
def test_default_does_what_the_no_form_does(form: NoForm) -> None:
    """IOS: `default COMMAND` returns to what holds without the command."""
    for undoing in form.undone_by:
        if undoing.startswith("no ") and undoing != "no faildetect inband":
            default = run(form.mode, form.block, form.command, undoing.replace("no ", "default ", 1))
            assert default == run(form.mode, form.block, form.command, undoing), undoing


def test_a_default_that_is_not_implemented_is_named_by_its_command() -> None:
    text = "ip slb serverfarm F\n real 10.1.1.51\n  default bindid\ndefault snmp-server enable traps slb\n"
    _, warnings = read_configuration(text, "t")
    assert [each.text for each in warnings if "default" in each.text] == [
        "'default bindid' under 'real 10.1.1.51' is not implemented and is ignored",
        "'default snmp-server' is not implemented and is ignored",
    ]


def test_failure_detection_is_on_by_default() -> None:
    switched_off = run(GLOBAL, REAL, "no faildetect inband")
    assert run(GLOBAL, REAL, "no faildetect inband", "default faildetect inband") == run(GLOBAL, REAL) != switched_off


def test_failure_detection_that_is_switched_off_keeps_its_limits() -> None:
    """12.2(18)SXF: `no faildetect inband` is off; `faildetect numconns` beside it stays, and is ignored meanwhile."""
    draft, errors = run(GLOBAL, REAL, "faildetect numconns 4 numclients 3", "no faildetect inband")
    assert errors == []
    assert isinstance(draft, Draft)
    real = next(iter(draft.farms["F"].reals.values())).real
    assert (real.faildetect_inband, real.faildetect_numconns, real.faildetect_numclients) == (False, 4, 3)


def implemented(mode: ConfigurationMode) -> Iterator[Command[ConfigurationAction]]:
    """Every command of a mode, and of the modes that it opens, that has an effect."""
    for command in mode.commands:
        if command.action is not None and command not in (EXIT, END):
            yield command
            if command.opens is not None:
                yield from implemented(command.opens)


def test_every_command_has_its_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new command needs a row above: what its `no` form does is decided, not left over."""
    met: set[Optional[Command[ConfigurationAction]]] = set()

    def noting(mode: ConfigurationMode, words: tuple[str, ...]) -> object:
        found = original(mode, words)
        met.add(found.command)
        return found

    original = match
    monkeypatch.setattr("ryu_haslb.configuration.ios.blocks.match", noting)
    for form in NO_FORMS:
        for undoing in ("", *form.undone_by, *form.refused):
            run(form.mode, form.block, form.command, undoing)
    commands = [*implemented(GLOBAL), *implemented(HOME_AGENT)]
    assert [command.template for command in commands if command not in met] == []


@pytest.mark.parametrize("mode", [GLOBAL, HOME_AGENT], ids=["slb", "home agent"])
def test_no_form_of_an_effective_command_takes_the_rest_of_the_line(mode: ConfigurationMode) -> None:
    """`[LINE]` after `no X` would hide a mistake. Comments may take it, and `LABELS` reads names."""
    for command in implemented(mode):
        if command.action is ignore or not {"no", "[no]", "{no"} & set(command.template.replace("|", "| {").split()):
            continue
        if command.template == "[no] inservice standby LINE":  # the name of a standby group has spaces
            continue
        kinds = {symbol.text for symbol in command.compiled.symbols if symbol.kind and symbol.kind.rest_of_line}
        allowed = {"LABELS", "LINE"} if command.help.startswith("Refused") else {"LABELS"}
        assert kinds <= allowed, command.template
