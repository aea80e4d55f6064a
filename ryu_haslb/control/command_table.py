"""The one table of commands: their words, their help, and who carries each of them out.

The balancer reads :data:`BALANCER_COMMANDS` from it, ``haslb`` reads :data:`OPERATOR_COMMANDS`. A new command of the
balancer is a line here and a handler in :mod:`ryu_haslb.control.handlers`. Pure: without eventlet and the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import ClassVar

from ryu_haslb.language import values
from ryu_haslb.language.grammar import Command, Mode
from ryu_haslb.language.kinds import KINDS, Kind


class Executor(Enum):
    """Who carries a command out: the operator's process ``haslb``, or the balancer, and how it gets the words."""

    CHECK = "haslb, which needs no balancer for it"
    COMPLETION = "haslb, which has a script for each shell"
    CLUSTER = "haslb, which makes files of database servers"
    SCHEMA = "haslb, which prints a schema for editors"
    SWITCH_TEST = "haslb, which listens for a switch as a balancer does"
    CONFIGURE_TERMINAL = "haslb, which collects configuration commands and sends them together"
    EXIT = "haslb, which leaves its prompt"
    HELP = "haslb, which lists the commands"
    HABIT = "haslb, which does nothing: what it is for on IOS is not needed here"
    BALANCER = "the balancer"
    LEADER = "the balancer, unless another member of its cluster leads"
    BALANCER_STREAM = "the balancer, whose answer lasts until the client leaves"
    BALANCER_FILE = "the balancer, which needs the absolute path of the file"
    BALANCER_OWN_FILE = "the balancer, whose own file it is about"
    BALANCER_CHANGE = "the balancer; haslb reads all of its words, since others of its commands begin like it"
    BALANCER_CONFIG = "the balancer, which needs all configuration commands as one word"


#: Commands that ``haslb`` sends to the balancer as typed. It alone checks their words: it may be of another version.
SENT_AS_TYPED = frozenset({Executor.BALANCER, Executor.LEADER, Executor.BALANCER_STREAM})
_OF_BALANCER = SENT_AS_TYPED | {Executor.BALANCER_FILE, Executor.BALANCER_OWN_FILE, Executor.BALANCER_CONFIG}
_OF_BALANCER |= {Executor.BALANCER_CHANGE}


class _Command(Command[Executor]):
    """A command with parameters that only the commands of this table have."""

    kinds: ClassVar[Mapping[str, Kind]] = {
        **KINDS,
        "VSERVER": KINDS["NAME"],
        "FARM": KINDS["NAME"],
        "PROBE": KINDS["NAME"],
        "REAL": Kind("A.B.C.D[:PORT]", "a real server such as 10.1.1.51 or 10.1.1.51:5434", values.address_and_port),
        "CLIENT": KINDS["PREFIX"],
        "NAI": Kind("NAI", "an NAI such as user@example.com, or a home address", str),
    }


SHOW_REALS = "show ip slb reals [sfarm FARM] [detail]"
SHOW_SERVERFARMS = "show ip slb serverfarms [name FARM] [detail]"
SHOW_PROBE = "show ip slb probe [name PROBE | PROBE] [detail]"
SHOW_CLIENTS = "show ip slb clients [requests | sessions | drops] [limit COUNT<1-4096>]"
SHOW_VSERVERS = "show ip slb vservers [name VSERVER] [detail]"
#: Filters of sessions. Each may be left out.
_OF_SESSIONS = "[vserver VSERVER] [serverfarm FARM] [real REAL] [client CLIENT [MASK]] [nai NAI]"
SHOW_SESSIONS = f"show ip slb sessions [ipmobile] {_OF_SESSIONS} [detail]"
SHOW_CONNS = f"show ip slb conns {_OF_SESSIONS} [detail]"
DEBUG_SESSIONS = f"debug ip slb sessions [ipmobile] {_OF_SESSIONS}"
CLEAR_SESSIONS = f"clear ip slb {{sessions | connections}} [NAME | {_OF_SESSIONS}]"

WRITE_MEMORY = "write [memory] [--yes]"
COPY_RUNNING = "copy running-config startup-config [--yes]"

COMMANDS: tuple[Command[Executor], ...] = (
    _Command(SHOW_REALS, Executor.BALANCER, "Real servers: weight, state, sessions"),
    _Command(SHOW_SERVERFARMS, Executor.BALANCER, "Server farms"),
    _Command(SHOW_PROBE, Executor.BALANCER, "Probes: their results for each real server, its outages"),
    _Command(SHOW_VSERVERS, Executor.BALANCER, "Virtual servers: address, state, sessions"),
    _Command(SHOW_SESSIONS, Executor.BALANCER, "Live sessions"),
    _Command(SHOW_CONNS, Executor.BALANCER, "Live sessions as connections"),
    Command(SHOW_CLIENTS, Executor.BALANCER, "The busiest clients: requests, sessions, drops"),
    Command("show ip slb switches", Executor.BALANCER, "Switches: connection, session rules that wait"),
    Command("show ip slb switches detail", Executor.BALANCER, "Switches: rules that were rejected, or restored"),
    Command("show ip slb dfp", Executor.BALANCER, "DFP agents: timers, state of the connection"),
    Command("show ip slb dfp weights", Executor.BALANCER, "Weights that DFP agents have set"),
    Command("show ip slb dfp agent ADDRESS PORT<1-65535>", Executor.BALANCER, "One DFP agent: connection, counters"),
    Command("show ip slb stats", Executor.BALANCER, "Counters of requests, and of drops by reason"),
    Command("show ip slb history", Executor.BALANCER, "State changes of the last days, newest first"),
    Command("show clock", Executor.BALANCER, "Time of the balancer's clock, as in its log"),
    Command("show version", Executor.BALANCER, "Version of the balancer, its engine and Python; uptime"),
    Command("show logging", Executor.BALANCER, "The last thousand lines of the log, newest last"),
    Command("show redundancy [states]", Executor.BALANCER, "The cluster: state of this member, leader, generation"),
    Command("show redundancy members", Executor.BALANCER, "The members of the cluster, as they describe themselves"),
    Command("show redundancy switchover history", Executor.BALANCER, "The last switchovers: when, why, how long"),
    Command("show crypto ipsec sa", Executor.BALANCER, "IPsec security associations and their packet counters"),
    Command("show crypto isakmp sa", Executor.BALANCER, "ISAKMP (IKE) security associations and their peers"),
    Command("show running-config [secrets]", Executor.BALANCER, "The configuration in force; keys are masked"),
    Command(
        "show archive config rollback timer", Executor.BALANCER, "Time left to confirm a change before it rolls back"
    ),
    _Command(CLEAR_SESSIONS, Executor.LEADER, "End all sessions, or those that the filters select"),
    Command("clear ip slb counters", Executor.LEADER, "Set all counters to zero"),
    Command("clear crypto sa", Executor.LEADER, "End IPsec security associations; traffic negotiates new ones"),
    Command("clear crypto isakmp", Executor.LEADER, "End ISAKMP (IKE) and IPsec security associations"),
    _Command(DEBUG_SESSIONS, Executor.BALANCER_STREAM, "Session events as they happen, until Ctrl-C"),
    Command(
        "undebug {all | ip slb sessions [ipmobile]}", Executor.BALANCER, "No effect: each debug ends with its Ctrl-C"
    ),
    Command("configure terminal", Executor.CONFIGURE_TERMINAL, "Type configuration commands; 'end' applies them"),
    Command(
        "configure --from-file [--dry-run | --yes | --plan NAME]",
        Executor.BALANCER_OWN_FILE,
        "Replace the configuration by the file that HASLB_CONFIG names",
    ),
    Command(
        "configure replace FILE [--dry-run | --yes | --plan NAME]",
        Executor.BALANCER_FILE,
        "Replace the configuration by a file; an error changes nothing",
    ),
    Command(
        "configure confirm [MINUTES<1-1440>]",
        Executor.BALANCER_CHANGE,
        "With MINUTES: later changes roll back unless confirmed in time; without: confirm them",
    ),
    Command("configure revert now", Executor.BALANCER_CHANGE, "Roll back unconfirmed changes at once"),
    Command(
        "configure FILE [--dry-run | --yes | --plan NAME]",
        Executor.BALANCER_FILE,
        "Merge a file into the configuration; an error changes nothing",
    ),
    Command(
        WRITE_MEMORY,
        Executor.BALANCER,
        "Write what is in force to the file that HASLB_CONFIG names",
    ),
    Command(COPY_RUNNING, Executor.BALANCER, "The same as 'write memory'"),
    Command("config COMMANDS", Executor.BALANCER_CONFIG, "Apply configuration commands; an error changes nothing"),
    Command("retire", Executor.LEADER, "Remove our rules from the switches; serve none until configured again"),
    Command(
        "redundancy {switch-activity | force-switchover}",
        Executor.BALANCER,
        "Hand over to another member of the cluster",
    ),
    Command("check [LINE]", Executor.CHECK, "Check a configuration file, without a balancer"),
    Command("schema", Executor.SCHEMA, "Print the JSON Schema of configurations in YAML"),
    Command("cluster [LINE]", Executor.CLUSTER, "Make the files of a cluster's database servers"),
    Command("switch-test [LINE]", Executor.SWITCH_TEST, "Test which features a switch has, and how fast it is"),
    Command("completion [LINE]", Executor.COMPLETION, "Print the script that completes haslb in bash, zsh or fish"),
    Command("terminal {length | width} NUMBER<0-512>", Executor.HABIT, "No effect: output is not paged"),
    Command("{enable | disable}", Executor.HABIT, "No effect: haslb has no privilege levels"),
    Command("help", Executor.HELP, "List the commands; ? lists the words that may follow those typed before it"),
    Command("{exit | quit | logout}", Executor.EXIT, "Leave the prompt"),
)

#: The word behind ``show running-config`` that asks for keys and passwords too. Only root may.
SECRETS = "secrets"
#: Options of commands that change the configuration: show what would change; apply it without a question.
DRY_RUN, YES = "--dry-run", "--yes"
#: The option that applies a plan that was seen, and no other. The last line of the plan has its identifier.
PLAN, PLAN_LINE = "--plan", "apply exactly this with: --plan "
#: The line of a plan that changes nothing.
NO_CHANGES = "no changes"

#: Help for words that several commands share.
_SHARED_WORDS = {
    "show": "Show state, counters and the configuration",
    "clear": "End sessions or security associations, set counters to zero",
    "configure": "Replace or change the configuration; an error changes nothing",
    "archive": "The configuration before the last change that is not confirmed",
    "rollback": "The roll-back of a change that is not confirmed",
    "replace": "Replace the configuration by a file; an error changes nothing",
    "confirm": "With MINUTES: later changes roll back unless confirmed in time; without: confirm them",
    "revert": "Roll back unconfirmed changes at once",
    "write": "Write what is in force to the file that HASLB_CONFIG names",
    DRY_RUN: "Show what would change, and change nothing",
    YES: "Do it without a question",
    PLAN: "Apply the plan with this identifier, and no other",
    "copy": "Write what is in force to the file that HASLB_CONFIG names",
    "debug": "Show events as they happen, until Ctrl-C",
    "redundancy": "The cluster of balancers",
    "retire": "Remove our rules from the switches; serve none until configured again",
    "undebug": "No effect: each debug ends with its Ctrl-C",
    "crypto": "The IPsec module",
    "ipsec": "IPsec security associations",
    "isakmp": "ISAKMP (IKE) security associations",
    "ip": "Server load balancing",
    "slb": "Server load balancing",
    "dfp": "Dynamic Feedback Protocol",
    "reals": "Real servers",
    SECRETS: "With pre-shared keys and passwords; for root only",
    "switches": "OpenFlow switches",
    "vservers": "Virtual servers",
    "PROBE": "Name of the probe",
    "sfarm": "Only those of a server farm",
    "name": "Only the one with this name",
    "vserver": "Only sessions of a virtual server",
    "serverfarm": "Only sessions at the real servers of a farm",
    "real": "Only sessions at a real server",
    "client": "Only sessions whose last request came from an address or a network",
    "nai": "Only the session of a mobile",
    "detail": "All details of each",
    "VSERVER": "Name of the virtual server",
    "FARM": "Name of the server farm",
    "REAL": "Address of the real server, and its port if it has several",
    "CLIENT": "Address of the client, or of its network",
    "NAI": "NAI as it is shown, or home address of a mobile without one",
    "MASK": "Mask of the network, such as 255.255.255.0",
}


def _operator_commands() -> Iterator[Command[Executor]]:
    """The commands as ``haslb`` reads them: of those that are sent as typed only the first word matters."""
    first_words = set()
    for command in COMMANDS:
        word = command.template.split()[0]
        if command.action is Executor.BALANCER_CONFIG:
            yield Command(f"{word} LINE", command.action, command.help)
        elif command.action not in SENT_AS_TYPED:
            yield command
        elif word not in first_words:
            first_words.add(word)
            yield Command(f"{word} [LINE]", command.action, _SHARED_WORDS[word])


#: What the balancer understands.
BALANCER_COMMANDS: Mode[Executor] = Mode(
    "exec", tuple(command for command in COMMANDS if command.action in _OF_BALANCER), _SHARED_WORDS
)
#: What ``haslb`` understands by itself.
OPERATOR_COMMANDS: Mode[Executor] = Mode("haslb", tuple(_operator_commands()), _SHARED_WORDS)
