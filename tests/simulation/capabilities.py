"""What a simulated switch can do, and what it does in its own way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Capabilities:
    """What the switch can do. ``normal``: "works", "ignored" (accepted, does nothing) or "refused"."""

    normal: str = "works"
    output_to_table: bool = True
    #: Output to TABLE is accepted, and nothing happens.
    ignores_table: bool = False
    bundles: bool = True
    meters: bool = True
    #: Whether the bucket of a new meter is full (that of Open vSwitch 2.15 is empty).
    full_meters: bool = True
    #: A meter begins empty, and so does one whose rate is changed; it is filled once a second, to its burst (BOFUSS).
    stepping_meters: bool = False
    roles: bool = True
    #: ONF's flow monitor (EXT-187).
    flow_monitor: bool = True
    flood: bool = True
    tables: int = 254
    max_flows: int = 1_000_000
    #: Flow-mods that it carries out in a second, one after the other; 0: any number, at once.
    flow_mod_rate: float = 0.0
    #: Whether it answers a request for its table, meter and group features.
    reports_features: bool = True
    #: Who made it, as its description has it.
    make: str = "simulation"
    #: Seconds that each part of an answer about flows takes.
    stats_delay: float = 0.0
    #: Bytes of rows that one part of an answer has at most; 0: as many as fit.
    stats_part: int = 0
    #: Every so many parts of answers about flows one has a row with a wrong length; 0: none.
    bad_stats: int = 0
    #: Seconds between two looks of the switch at the time-outs of its rules.
    timeout_step: float = 1.0
    #: Fields by number: those that set-field and matches reject, and those that they accept without effect.
    rejected_sets: frozenset[int] = frozenset()
    ignored_sets: frozenset[int] = frozenset()
    rejected_matches: frozenset[int] = frozenset()
    ignored_matches: frozenset[int] = frozenset()
    #: The metadata with which each packet begins: 0 (section 5.1), or all ones (older versions of BOFUSS).
    metadata: int = 0
    push_vlan: bool = True
    idle_timeouts: bool = True
    flow_removed: bool = True
    #: Whether deletions compare cookies.
    cookie_deletion: bool = True
    flow_statistics: bool = True
    port_statistics: bool = True
    #: Bytes of a packet that a packet-in has at most.
    max_packet_in: int = 0xFFFF
    #: Packet-ins have the bytes that OFPT_SET_CONFIG asks for, and not those that the action asks for.
    obeys_miss_send_len: bool = False
    #: Whether a packet-out may send to the controller.
    reflects: bool = True
    #: Whether a packet-out may have the ingress port CONTROLLER.
    accepts_in_port_controller: bool = True
    #: Whether strict deletions compare cookies as well (Lagopus does not).
    strict_deletion_by_cookie: bool = True
    #: Whether a deletion by the port of an output takes this port alone.
    deletion_by_port: bool = True
    #: Whether rules count packets; without it counters have the highest value (section 7.3.5).
    counts: bool = True
    #: Outputs that the actions of one rule or packet-out may have; 0: any number.
    max_outputs: int = 0
    #: Whether an output to a port that the switch does not have is rejected.
    checks_ports: bool = False
    #: Types of messages that have no effect, and no reply or error either.
    silent: frozenset[int] = frozenset()
    #: Types of messages that are rejected as unknown.
    rejected: frozenset[int] = frozenset()
    #: Whether rules can be modified; if not, the messages that would do it have no effect.
    modifies: bool = True
    #: Whether a flow-mod may delete from all tables at once, and a request may ask for the rules of all.
    deletes_from_all: bool = True
    reports_all: bool = True
    #: Whether rules may have time-outs, and flags.
    accepts_timeouts: bool = True
    accepts_flags: bool = True
    #: Whether rules may have an instruction for a meter.
    meter_instruction: bool = True
    #: Whether rules may match the reserved ports, CONTROLLER among them, as the ingress port.
    matches_reserved_ports: bool = True
    #: Type and code of the errors for output to NORMAL, and for a match that is rejected.
    normal_error: tuple[int, int] = (2, 4)
    match_error: tuple[int, int] = (4, 6)
    #: The number of tables in the features reply; 0: that of those that it has.
    reported_tables: int = 0
    #: Rules are reported with a mask of ones for each field without a mask, and the last field first.
    reports_masks: bool = False
    #: Types of multipart requests that have no reply, and no error either.
    silent_multiparts: frozenset[int] = frozenset()
    #: Each part of a multipart reply says that another one follows.
    endless_multiparts: bool = False
    #: Whether a rule that is deleted by a controller is reported as well.
    reports_deletions: bool = True
    #: Whether a barrier request is rejected.
    rejects_barriers: bool = False
    #: Whether requests for flow statistics compare cookies.
    flow_statistics_by_cookie: bool = True
    #: All flow statistics in one message, whose length field has the lowest 16 bits of its length.
    wraps_statistics: bool = False
    #: A relay connects the switch to its controllers. It takes what follows a message by its length field for another
    #: message, begins the connection to the switch anew when that makes no sense, and keeps that to the controller
    #: (BOFUSS's ``ofprotocol``).
    relayed: bool = False
    #: Whether a masked field of a deletion or a request covers rules that have the field without a mask.
    masks_cover: bool = True
    #: OFPFF_CHECK_OVERLAP also rejects a rule that is there already.
    overlaps_itself: bool = False
    #: A rule that is added again keeps its cookie, its time-outs and its age.
    keeps_replaced: bool = False
    #: Whether a role request with an older generation is rejected.
    checks_generation: bool = True
    #: Whether every generation is rejected as older than the one of the switch, which is none (some forks of BOFUSS).
    rejects_generations: bool = False
    #: Whether a role reply has the generation of the request in place of the switch's (Lagopus).
    repeats_generation: bool = False
    #: Whether a new MASTER makes the former one a SLAVE (in Lagopus it does not).
    demotes_master: bool = True
    #: Whether set-field corrects the checksums of IPv4 and UDP.
    corrects_checksums: bool = True
    #: set-field updates a UDP checksum of zero as well, which says that there is none.
    spoils_missing_checksums: bool = False
    #: A packet-in has the number of a buffer, and all fields of the packet in its match.
    buffers: bool = False
    answers_echo: bool = True
    answers_barriers: bool = True
    #: Bytes of the rejected message that an error repeats.
    error_data: int = 64
    #: Seconds after which a flow-mod is rejected, behind the reply to the barrier that follows it.
    rejection_lag: float = 0.0
    #: Seconds after which packets meet the rules that the switch has confirmed, and reports.
    flow_mod_lag: float = 0.0
