"""Two members of a cluster at one switch, with a database of three servers: one leads, the other stands by."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Optional

from bench import REALS, Bench, wait_until
from cluster_servers import DatabaseServers
from mobile import registration
from pair import PORTS, Pair

from haslb_lab.chassis.description import CONTROLLER
from haslb_lab.node import control
from haslb_lab.runner.janitor import DIRECTORY
from ryu_haslb.cluster.settings import TLS_VARIABLES

#: The home agent whose weight tests change.
FIRST = next(iter(REALS.values()))


class Cluster(Pair):
    """Two members and their database; ``environment`` is what both have beside the settings of the cluster.

    ``tls`` are the files of private key, certificate and authority, if all connections are to use TLS.
    """

    def __init__(
        self,
        bench: Bench,
        environment: Mapping[str, str] = MappingProxyType({}),
        tls: Optional[Sequence[Path]] = None,
    ) -> None:
        self.servers = DatabaseServers(
            DIRECTORY / "database", lambda *words, **options: bench.lab.run(CONTROLLER, *words, **options), tls
        )
        files = dict(zip(TLS_VARIABLES, map(str, tls or ())))
        super().__init__(
            bench,
            lambda port: {
                "HASLB_CLUSTER": self.servers.remotes,
                "HASLB_NAME": f"member-{port}",
                **files,
                **environment,
            },
        )

    def register(self, prefix: str, count: int = 7) -> dict[str, str]:
        """The home agents of mobiles that have registered, when every one has its session rule."""
        names = [f"{prefix}-{number}@isp.com" for number in range(count)]
        before = self.rules()
        first = {name: self.bench.deliver(registration(name)) for name in names}
        wait_until(lambda: len(self.rules() - before) >= count, "every session has its rule")
        return first

    def rules(self) -> set[int]:
        """The cookies of the session rules on the switch."""
        return {flow.cookie for flow in self.bench.lab.flows(1)}

    def homes(self, names: Iterable[str]) -> dict[str, str]:
        """The home agents that further requests of these mobiles come to."""
        return {name: self.bench.deliver(registration(name)) for name in names}

    def signal_servers(self, number: signal.Signals) -> None:
        """Send a signal to every server of the database."""
        for process in self.servers.processes.values():
            process.send_signal(number)

    def await_followed(self, port: int) -> None:
        """Wait until a standby follows as many session rules as the switch has."""

        def follows_all() -> bool:
            (row,) = self.query(port, "show ip slb switches")
            followed: tuple[str, int] = row["standby"], row["sessions_followed"]
            return followed == ("following", len(self.bench.lab.flows(1)) - 1)

        wait_until(follows_all, "the standby follows every session rule")

    def configure(self, port: int, *commands: str) -> str:
        """Change the first home agent at a member, as ``haslb config`` does; what it answers."""
        words = "\x1f".join(["ip slb serverfarm HAFARM", f"real {FIRST}", *commands])
        return control.request(self.socket(port), f"config '{words}'")

    def weight(self, port: int) -> int:
        """The weight of the first home agent at a member."""
        (row,) = (each for each in self.query(port, "show ip slb reals") if each["real"] == FIRST)
        return int(row["weight"])

    def await_weight(self, weight: int) -> None:
        """Wait until the first home agent has this weight at both members."""
        wait_until(lambda: [self.weight(port) for port in PORTS] == [weight] * 2, f"both have weight {weight}")

    def await_change(self, weight: int) -> None:
        """Change the weight at the leader, as soon as the database takes that, and wait until both have it.

        Whether the change is made is seen by the weight alone: of one whose outcome was not known, the answer to the
        next one is that there are no changes.
        """

        def is_changed() -> bool:
            leader = self.master
            self.configure(leader, f"weight {weight}")
            return self.weight(leader) == weight

        wait_until(is_changed, f"the change to weight {weight} is made")
        self.await_weight(weight)

    def await_whole(self) -> None:
        """Wait until one member serves, and the other one stands by; both have the database."""
        wait_until(lambda: sorted(map(self.role, PORTS)) == ["master", "waiting"], "one is master, and one stands by")
        for port in PORTS:
            wait_until(lambda port=port: self.has_database(port), f"{port} has the database")  # type: ignore[misc]
        self.await_service(self.master)

    def hand_over(self) -> int:
        """Have the leader let the other member lead, and return the port of the one that led.

        The lead may pass by itself before that, and a leader refuses until the other member is connected to all of its
        switches.
        """
        leader, said = 0, ""

        def resigns() -> bool:
            nonlocal leader, said
            leader = self.master
            said = control.request(self.socket(leader), "redundancy switch-activity")
            return "until another one does" in said

        wait_until(resigns, lambda: f"{leader} resigns; it says: {said}")
        return leader

    def has_database(self, port: int) -> bool:
        """Whether a member is connected to the database."""
        return bool(self.query(port, "show redundancy")[0]["database_connected"])

    def restart(self, port: int) -> None:
        """Start a member that has ended, and wait until it stands by."""
        self.start(port)
        wait_until(lambda: self.role(port) == "waiting", "it stands by")
