"""The lab: a topology brought up for real, with home agents, a PDSN and the balancer, and taken down without trace.

    with Lab(OneSwitch(), Path("topologies/chassis.ios").read_text()) as lab:
        lab.command("pdsn1", "register 1 100")
        print(lab.command("controller", "show ip slb reals"))

Nodes are Mininet hosts, namespaces without a name that live as long as their processes. Each runs its program and
answers commands on a control socket. So does the balancer, whose node is ``controller``. The janitor removes everything
at the end of the ``with`` block, after an interrupt, and when this process dies.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Optional

from mininet.node import Node
from mininet.topo import Topo

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.checkout import PROGRAMS
from haslb_lab.errors import LabError
from haslb_lab.node import control
from haslb_lab.runner import claim, janitor, preflight
from haslb_lab.runner.capture import Capture, send_frames
from haslb_lab.runner.flows import Flow, parse_flows
from haslb_lab.runner.network import OPENFLOW, LabNetwork, marked_environment
from haslb_lab.runner.waiting import wait_until
from ryu_haslb.cli.client import ControlError
from ryu_haslb.slb.session_tag import COOKIE_MARK, COOKIE_MARK_MASK

OPENFLOW_PORT = 6653
#: The module of the balancer, as the engine is to run it.
BALANCER = "ryu_haslb.app"

#: Seconds that a program of the lab may take to become ready, or to end.
PROGRAM_TIMEOUT = 60.0


class Lab:
    """A running topology. Use it as a context manager. Raises: LabError when it cannot come up.

    ``configuration`` is the balancer's, as IOS text. ``application`` is the Ryu application to run, a module or a
    file. ``report`` is called with the name of each stage, ``claimed`` as soon as this lab holds the machine's claim.
    """

    def __init__(
        self,
        topology: Topo,
        configuration: str,
        application: str = BALANCER,
        report: Callable[[str], None] = lambda _: None,
        claimed: Callable[[], None] = lambda: None,
    ) -> None:
        self._topology = topology
        self._configuration = configuration
        self.application = application
        self._report = report
        self._claimed = claimed
        self._claim: Optional[socket.socket] = None
        self._janitor: Optional[subprocess.Popen[bytes]] = None
        self._network: Optional[LabNetwork] = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._controller: Optional[subprocess.Popen[bytes]] = None
        self._connected: set[str] = set()

    def __enter__(self) -> Lab:
        try:
            self._report("checking the machine")
            self._take_over()
            self._claimed()
            self._report("building the network")
            self._build()
            self._report("starting the nodes")
            self._start_programs()
            self._report("starting the balancer")
            self.start_controller()
            self.connect_switch()
            self.wait_until_balancing()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._report("cleaning up")
        self.close()

    # Nodes

    @property
    def hosts(self) -> list[str]:
        """The names of all nodes. Switches are not nodes."""
        return list(self._topology.hosts())

    def node(self, name: str) -> Node:
        """The Mininet node with this name."""
        assert self._network is not None, "the lab is not up"
        return self._network[name]

    def run(self, name: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program in a node's namespace; ``options`` are those of :class:`subprocess.Popen`.

        It runs in a session of its own, so that an interrupt from the terminal reaches the lab but not its programs.
        """
        options.setdefault("stdin", subprocess.DEVNULL)
        environment = marked_environment(**options.pop("env", {}))
        attached = ["mnexec", "-a", str(self.node(name).pid), *argv]
        process = subprocess.Popen(attached, env=environment, start_new_session=True, **options)
        self._processes.append(process)
        return process

    def command(self, name: str, line: str) -> str:
        """A node's answer to a command, such as ``show ip slb reals`` of the controller. Raises: ControlError."""
        return control.request(str(self._control(name)), line)

    def stream(self, name: str, line: str) -> Iterator[str]:
        """Like :meth:`command`, a line at a time, as the node sends them."""
        return control.stream(str(self._control(name)), line)

    def query(self, name: str, line: str) -> Any:
        """Like :meth:`command`, as data: the answer to the command with ``--json``."""
        return json.loads(self.command(name, f"{line} --json"))

    def log(self, name: str) -> str:
        """What a node's program has written to its log so far."""
        return self._log(name).read_text(errors="replace")

    def send(self, name: str, frames: Sequence[bytes]) -> None:
        """Send Ethernet frames from a node's interface."""
        send_frames(self.run, name, frames)

    def capture(self, name: str, port: Optional[str] = None) -> Capture:
        """A context manager that captures the frames arriving at a node's interface ``port``, NODE-eth0 by default."""
        return Capture(self.run, name, port)

    # Switches

    def flows(self, table: Optional[int] = None, switch: Optional[str] = None) -> list[Flow]:
        """The flows of a switch, by default the first that the balancer serves; of one table or of all tables."""
        match = [] if table is None else [f"table={table}"]
        return parse_flows(
            _output("ovs-ofctl", "-O", OPENFLOW, "dump-flows", switch or self._served_switches()[0], *match)
        )

    def connect_switch(self, switch: Optional[str] = None) -> None:
        """Connect a switch to the controller, by default every switch that the balancer serves."""
        target = f"tcp:{self.node(CONTROLLER).IP()}:{OPENFLOW_PORT}"
        for name in [switch] if switch else self._served_switches():
            _output("ovs-vsctl", "set-controller", name, target, "--", "set", "Controller", name, "max_backoff=1000")
            self._connected.add(name)

    def disconnect_switch(self, switch: Optional[str] = None) -> None:
        """Disconnect a switch, by default every switch that the balancer serves, from the controller. Its flows stay.

        It gets the address of a closed port as its controller: Open vSwitch flushes a bridge without a controller.
        """
        for name in [switch] if switch else self._served_switches():
            _output("ovs-vsctl", "set-controller", name, f"tcp:{self.node(CONTROLLER).IP()}:1")
            self._connected.discard(name)

    # The balancer

    def start_controller(self) -> None:
        """Start the application in the controller's namespace. It listens at the management link only."""
        manager = [str(Path(sys.executable).with_name("haslb-manager")), self.application]
        listen = ["--ofp-listen-host", self.node(CONTROLLER).IP(), "--ofp-tcp-listen-port", str(OPENFLOW_PORT)]
        with self._log(CONTROLLER).open("ab") as log:
            self._controller = self.run(
                CONTROLLER, [*manager, *listen], env=self._environment(CONTROLLER), stdout=log, stderr=log
            )

    def _environment(self, name: str) -> dict[str, str]:
        """The environment of the balancer in a node."""
        return {
            "HASLB_CONFIG": str(self._configuration_file),
            "HASLB_CONTROL": str(self._control(name)),
            **self._ipsec_module(),
        }

    def _ipsec_module(self) -> dict[str, str]:
        """The environment that names the IPsec module's sockets to the balancer: its charon's, and the node's own."""
        for host in self.hosts:
            if (self._topology.nodeInfo(host).get("program") or [""])[0] == "ipsec_module.py":
                control = self._control(host)
                return {"HASLB_VICI": str(control.with_suffix(".vici")), "HASLB_VICI_COUNTERS": str(control)}
        return {}

    def retire(self) -> None:
        """Have the balancer remove its rules from every switch. It serves none until it is configured or restarted."""
        self.command(CONTROLLER, "retire")

    def stop_controller(self) -> None:
        """Stop the controller with SIGTERM, as an operator would, and wait for its end. Its rules stay."""
        assert self._controller is not None, "the controller does not run"
        self._controller.terminate()
        self._controller.wait(PROGRAM_TIMEOUT)

    def restart_controller(self, configuration: Optional[str] = None) -> None:
        """Stop the controller and start it again, with a new configuration if one is given."""
        self.stop_controller()
        if configuration is not None:
            self._configuration_file.write_text(configuration)
        self.start_controller()
        self.wait_until_balancing()

    def wait_until_balancing(self) -> None:
        """Wait until the balancer serves all connected switches and reaches every real server in service.

        Raises: LabError.
        """
        assert self._controller is not None, "the controller does not run"
        wait_until(
            self._is_balancing,
            lambda: f"the balancer reaches its real servers; its log ends with: {self._last_log_line(CONTROLLER)}",
            PROGRAM_TIMEOUT,
        )

    def _is_balancing(self) -> bool:
        if self._controller is not None and self._controller.poll() is not None:
            raise LabError(f"the balancer ended: {self._last_log_line(CONTROLLER)}")
        try:
            reals = self.query(CONTROLLER, "show ip slb reals")
        except (ControlError, ValueError):
            return False
        reached = bool(reals) and all(real["reachable"] for real in reals if real["state"] != "OUTOFSERVICE")
        return reached and all(self._has_our_rules(switch) for switch in self._connected)

    def _has_our_rules(self, switch: str) -> bool:
        return any(flow.cookie & COOKIE_MARK_MASK == COOKIE_MARK for flow in self.flows(switch=switch, table=0))

    # Up and down

    def _take_over(self) -> None:
        """Claim the machine, remove what a killed lab left, and start the janitor of this one."""
        switches = self._switches()
        preflight.check_machine()
        self._claim = claim.claim()
        if complaints := janitor.sweep():
            raise LabError(f"cannot remove what the last lab left behind: {'; '.join(complaints)}")
        preflight.check_names(switches)
        self._janitor = subprocess.Popen(
            [sys.executable, janitor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,  # the janitor outlives this process and must not keep its standard error open
            pass_fds=[self._claim.fileno()],
            start_new_session=True,
        )
        janitor.DIRECTORY.mkdir(mode=0o700)
        self._configuration_file.write_text(self._configuration)

    def _build(self) -> None:
        try:
            self._network = LabNetwork(self._topology)
            self._network.start()
        except LabError:
            raise
        except Exception as error:  # Mininet raises no other class
            raise LabError(f"Mininet cannot build the network: {' '.join(str(error).split())}") from error
        listed = _output("ovs-vsctl", "--format=csv", "--no-headings", "--columns=name,error", "list", "Interface")
        for line in listed.splitlines():
            name, _, complaint = line.partition(",")
            if complaint != "[]" and name.startswith(tuple(self._switches())):
                raise LabError(f"Open vSwitch cannot use an interface of the lab: {name}: {complaint}")

    def _start_programs(self) -> None:
        """Start the programs of all nodes, then wait until each has printed ``ready``."""
        started = {}
        for host in self.hosts:
            program = self._topology.nodeInfo(host).get("program")
            if program:
                argv = [sys.executable, str(PROGRAMS / program[0]), *program[1:], "--control", str(self._control(host))]
                with self._log(host).open("wb") as log:
                    started[host] = self.run(host, argv, stdout=subprocess.PIPE, stderr=log)
        for host, process in started.items():
            assert process.stdout is not None
            if not _is_ready(process.stdout):
                raise LabError(f"{host} does not start: {self._last_log_line(host)}")

    def adopt(self) -> None:
        """Become the owner of the claim, in a process forked from the one that brought the lab up."""
        assert self._claim is not None, "the lab is not up"
        claim.be_owner(self._claim)

    def close(self) -> None:
        """Take everything down. May be called in any state, and more than once."""
        if self._janitor is not None:
            assert self._janitor.stdin is not None and self._janitor.stderr is not None
            self._janitor.stdin.close()
            sys.stderr.write(self._janitor.stderr.read().decode(errors="replace"))
            self._janitor.wait()
            self._janitor.stderr.close()
            self._janitor = None
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._processes.clear()
        if self._network is not None:
            for node in [*self._network.hosts, *self._network.switches]:
                node.cleanup()
            self._network = None
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    @property
    def _configuration_file(self) -> Path:
        return janitor.DIRECTORY / "balancer.ios"

    def _control(self, name: str) -> Path:
        return janitor.DIRECTORY / f"{name}.control"

    def _log(self, name: str) -> Path:
        return janitor.DIRECTORY / f"{name}.log"

    def _last_log_line(self, name: str) -> str:
        lines = self.log(name).strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    def _switches(self) -> list[str]:
        return list(self._topology.switches())

    def _served_switches(self) -> list[str]:
        """The switches that the balancer serves. The others learn and forward by themselves."""
        return [name for name in self._switches() if self._topology.nodeInfo(name).get("failMode") != "standalone"]


def _is_ready(output: IO[bytes]) -> bool:
    """Wait for the line that every program of the lab prints once its sockets are open."""
    readable, _, _ = select.select([output], [], [], PROGRAM_TIMEOUT)
    return bool(readable) and output.readline().strip() == b"ready"


def _output(*command: str) -> str:
    """What a command prints. Raises: LabError with its error text when it fails."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PROGRAM_TIMEOUT)
    if ran.returncode != 0:
        raise LabError(f"{' '.join(command)}: {' '.join(ran.stderr.split())}")
    return ran.stdout
