"""What must always hold in a cluster, and with several balancers: who may change a switch, and who leads."""

from __future__ import annotations

from functools import partial

from simulation.member import MemberController
from simulation.openflow import ROLE_MASTER
from simulation.switch import SimulatedSwitch
from simulation.switch_connection import SwitchConnection
from simulation.violation import ViolationError
from simulation.world import World

#: Seconds after the last fault within which somebody leads, if somebody can: the silence after which a server gives up
#: a member, an election of the servers, the connections to their leader, and the advance that a member leaves to the
#: former leader.
LEADING_TIME = 8.0
#: Leaders that may follow each other without a fault.
MAX_CHANGES = 3


class ClusterInvariants:
    """Watches every change of every switch, and checks the members again and again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owners: dict[int, str] = {}
        #: By switch: how often it has been restarted, and the newest generation by which it was changed since.
        self._newest: dict[int, tuple[int, int]] = {}
        #: By switch: the member that changed it last.
        self._acting: dict[int, str] = {}
        self._committed: list[tuple[str, int]] = []
        self._leading: set[tuple[str, int]] = set()
        self._was_available = True
        self._commits = 0
        self._faulted_at = 0.0
        self._generations = 0
        if len(world.controllers) > 1 and world.parameters.roles:
            for switch in world.switches:
                switch.changed = partial(self._on_change if world.members else self._on_turn, switch)

    def check(self) -> None:
        """Raises :class:`ViolationError` if anything does not hold now."""
        if self._world.members:
            self._leaders_stay_without_a_database()
            self._somebody_leads()
            self._leaders_do_not_alternate()
            self._members_have_one_configuration()

    def _on_change(self, switch: SimulatedSwitch, connection: SwitchConnection) -> None:
        """Something is about to be changed over a connection: by the leader of its time, and in their order."""
        member, generation = connection.controller, connection.generation
        if not member:
            return
        if connection.role != ROLE_MASTER or generation is None:
            what = f"{member} changes switch {switch.datapath_id} with role {connection.role}"
            raise ViolationError("only the leader changes a switch", what)
        if self._owners.setdefault(generation, member) != member:
            what = f"generation {generation} is {self._owners[generation]}'s and {member}'s"
            raise ViolationError("a generation has one leader", what)
        if not self._is_committed(member, generation):
            what = f"{member} changes switch {switch.datapath_id} with generation {generation}"
            raise ViolationError("a leader has committed its generation", what)
        restarts, newest = self._newest.get(switch.datapath_id, (switch.restarts, 0))
        if restarts == switch.restarts and generation < newest:
            what = f"{member} changes switch {switch.datapath_id} with generation {generation} after {newest}"
            raise ViolationError("nothing of a deposed leader is executed", what)
        self._on_turn(switch, connection)
        self._newest[switch.datapath_id] = switch.restarts, generation

    def _on_turn(self, switch: SimulatedSwitch, connection: SwitchConnection) -> None:
        """Another balancer than the last one may be about to change a switch: also without a cluster."""
        name = connection.controller
        if not name or connection.role != ROLE_MASTER:
            return
        if self._acting.get(switch.datapath_id, name) != name:
            self._world.restarts.note_takeover(switch)
        self._acting[switch.datapath_id] = name

    def _is_committed(self, member: str, generation: int) -> bool:
        """Whether the database has, or had, this generation of this member."""
        generations = self._world.database.generations
        if len(self._committed) != len(generations):
            self._committed = [each[1:] for each in generations]
        return (member, generation) in self._committed[-2:] or (member, generation) in self._committed

    def _somebody_leads(self) -> None:
        """One member leads every switch that it reaches, when one could and nothing has failed for a while."""
        world = self._world
        if world.clock.now - world.faulted_at < LEADING_TIME or not world.database.is_available:
            return
        able = [member for member in world.members if member.can_lead]
        leading = [member for member in able if member.member.is_leading]
        if not leading and world.clock.now < world.database.failing_until + LEADING_TIME:
            return  # a member leads once it has committed that it does
        if able and len(leading) != 1:
            names = " and ".join(each.name for each in leading) or "none"
            raise ViolationError("somebody leads", f"of {len(able)} members that could lead, {names} lead")
        for member in leading:
            for switch in world.switches if world.parameters.roles else ():
                if not self._is_led(switch, member):
                    raise ViolationError(
                        "somebody leads", f"{member.name} leads and is not MASTER of {switch.datapath_id}"
                    )

    @staticmethod
    def _is_led(switch: SimulatedSwitch, member: MemberController) -> bool:
        """Whether a member is MASTER of a switch, or does not reach it."""
        transport = member.transports.get(switch.datapath_id)
        if transport is None or transport.is_stalled:
            return True
        return any(each.role == ROLE_MASTER and each.controller == member.name for each in switch.connections)

    def _members_have_one_configuration(self) -> None:
        """The one in the database, if nothing has failed for a while."""
        world = self._world
        if world.clock.now - world.faulted_at < LEADING_TIME or not world.database.is_available:
            return
        rows = world.database.committed.get("Configuration", {}).values()
        committed, accepted = {row["text"] for row in rows}, world.texts.accepted
        if accepted is not None and all(
            row["revision"] < accepted.revision
            or (row["revision"] == accepted.revision and row["text"] != accepted.text)
            for row in rows
        ):
            raise ViolationError("a change that was accepted stays", f"the database does not have {accepted}")
        if not committed and world.clock.now < world.database.failing_until:
            return  # it was made anew, and nothing can be committed
        for member in world.members:
            in_force = member.shared.agreement.text if member.can_lead else None
            if in_force is not None and {in_force} != committed:
                raise ViolationError("members have one configuration", f"{member.name} has another than the database")
            if in_force is not None and world.texts.parameters_of(in_force).configuration() != member.configuration:
                raise ViolationError("members have one configuration", f"{member.name} has not applied it")

    def _leaders_do_not_alternate(self) -> None:
        world = self._world
        count = len(world.database.generations)
        if world.faulted_at != self._faulted_at or world.clock.now - world.faulted_at < LEADING_TIME:
            self._faulted_at, self._generations = world.faulted_at, count
        elif count - self._generations > MAX_CHANGES:
            what = f"{count - self._generations} generations were committed since the last fault"
            raise ViolationError("leaders do not alternate", what)

    def _is_newest(self, member: MemberController) -> bool:
        """Whether a member leads with the newest generation: a former leader may not know yet that it is none."""
        newest = self._world.database.generations[-1:]
        is_own = [each[1:] for each in newest] == [(member.name, member.member.election.generation)]
        return member.member.is_leading and is_own

    def _leaders_stay_without_a_database(self) -> None:
        """Without a database the leader goes on, and no other member begins to lead.

        A commit since the last check shows that there was one in between.
        """
        world = self._world
        committed, self._commits = self._commits, len(world.database.generations)
        is_available = world.database.is_available
        leading = {(each.name, each.starts) for each in world.members if each.is_running and self._is_newest(each)}
        running = {(each.name, each.starts) for each in world.members if each.is_running and not each.is_hung}
        if not is_available and not self._was_available and committed == self._commits:
            if (self._leading & running) - leading:
                raise ViolationError("the leader goes on without a database", f"{self._leading} led, now {leading}")
            if leading - self._leading:
                raise ViolationError("no member begins to lead without a database", f"{leading - self._leading} did")
        self._leading, self._was_available = leading, is_available
