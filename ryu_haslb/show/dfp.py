"""``show ip slb dfp``: DFP agents, and the weights that they have set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Annotated, TypedDict

from ryu_haslb.dfp.agent_connection import State
from ryu_haslb.show.column_types import Address, AddressAndPort, AnyPort, Count, Port, Seconds, Values, Weight
from ryu_haslb.show.report import Report, Text, as_lines, as_table
from ryu_haslb.show.sources import Sources
from ryu_haslb.show.table import Column

_PROTOCOLS = {0: "any", 6: "TCP", 17: "UDP"}


def agent_state(state: State) -> str:
    """The token for the state of the connection to a DFP agent: ``connected``. ``show`` prints the state's value."""
    return state.name.lower()


AgentState = Annotated[str, Values(enum=tuple(agent_state(state) for state in State))]


class DfpAgentRow(TypedDict):
    """A configured DFP agent, its connection, and the counters of the connection."""

    address: Address
    port: Port
    timeout: Annotated[
        Seconds, "Keep-alive time: time without a message after which the connection is closed; 0 means never."
    ]
    retry_count: Annotated[Count, "Attempts to connect; 0 means no limit."]
    retry_interval: Annotated[Seconds, "Time between two attempts to connect."]
    state: AgentState
    reported: Annotated[bool, "Whether the agent is connected and has reported since, with weights or without."]
    connections: Annotated[Count, "TCP connections established."]
    messages_sent: Annotated[Count, "DFP messages sent."]
    messages_received: Annotated[Count, "DFP messages received."]
    framing_errors: Annotated[Count, "Messages with a wrong version or length; each closed the connection."]
    authentication_failures: Annotated[Count, "Messages without a valid Security TLV; discarded."]
    unknown_messages: Annotated[Count, "Messages of an unknown type; discarded."]
    malformed_messages: Annotated[Count, "Messages that could not be decoded; discarded."]
    unexpected_messages: Annotated[
        Count, "Messages of a type that an agent does not send, or replies without a request; discarded."
    ]
    keep_alive_timeouts: Annotated[Count, "Connections closed because the keep-alive time expired."]
    excess_entries: Annotated[Count, "Servers and bind ids above the limit for one agent; discarded."]
    unauthorized_weights: Annotated[Count, "Weights of real servers that the agent may not set; ignored."]


class DfpWeightRow(TypedDict):
    """A weight that a DFP agent has set."""

    real: Address
    protocol: str
    port: Annotated[AnyPort, "Port of the real server; 0 means any."]
    bind_id: Annotated[Count, "Bind id; 65535 means any."]
    weight: Weight
    agent: Annotated[AddressAndPort, "Agent that set the weight, ADDRESS:PORT."]
    set_at: Annotated[str, Values(format="date-time"), "When the report arrived, in UTC."]


def dfp_agents(sources: Sources) -> Iterator[DfpAgentRow]:
    """Every configured DFP agent, with its connection and the counters of the connection."""
    for link in sources.dfp.links:
        agent, counters = link.connection.agent, link.connection.counters
        yield {
            "address": str(agent.address),
            "port": agent.port,
            "timeout": agent.timeout,
            "retry_count": agent.retry_count,
            "retry_interval": agent.retry_interval,
            "state": agent_state(link.connection.state),
            "reported": link.connection.has_reported,
            "connections": counters.connections,
            "messages_sent": counters.messages_sent,
            "messages_received": counters.messages_received,
            "framing_errors": counters.framing_errors,
            "authentication_failures": counters.authentication_failures,
            "unknown_messages": counters.unknown_messages,
            "malformed_messages": counters.malformed_messages,
            "unexpected_messages": counters.unexpected_messages,
            "keep_alive_timeouts": counters.keep_alive_timeouts,
            "excess_entries": counters.excess_entries,
            "unauthorized_weights": counters.unauthorized_weights,
        }


def dfp_weights(sources: Sources) -> Iterator[DfpWeightRow]:
    """Every weight in force that a DFP agent has set."""
    started = time.time() - time.monotonic()
    for row in sources.dfp.weights.rows():
        yield {
            "real": str(row.server.address),
            "protocol": _PROTOCOLS.get(row.server.protocol, str(row.server.protocol)),
            "port": row.server.port,
            "bind_id": row.server.bind_id,
            "weight": row.weight,
            "agent": str(row.agent),
            "set_at": datetime.fromtimestamp(started + row.set_at, timezone.utc).isoformat(timespec="seconds"),
        }


def _in_words(text: Text) -> Text:
    """Print the states of DFP agents in words instead of tokens."""

    def words(row: DfpAgentRow) -> str:
        state = State[row["state"].upper()]
        return f"{state.value}, no report" if state is State.CONNECTED and not row["reported"] else state.value

    return lambda rows: text({**row, "state": words(row)} for row in rows)


def _weights(rows: Iterator[DfpWeightRow]) -> Iterator[str]:
    for row in rows:
        yield (
            f"Real IP Address: {row['real']} Protocol: {row['protocol']} Port: {row['port']} "
            f"Bind_ID: {row['bind_id']} Weight: {row['weight']}"
        )
        set_at = datetime.fromisoformat(row["set_at"])
        yield f"Set by Agent {row['agent']} at {set_at:%H:%M:%S} UTC {set_at:%m/%d/%y}"


DFP_AGENTS = Report(
    dfp_agents,
    _in_words(
        as_table(
            Column("address", "agent IP", 16),
            Column("port", "port", 7),
            Column("timeout", "timeout", 9),
            Column("retry_count", "retry count", 13),
            Column("retry_interval", "interval", 10),
            Column("state", "state", 21),
        )
    ),
)
DFP_AGENT = Report(
    dfp_agents,
    _in_words(
        as_lines(
            "DFP agent {address}:{port}, state = {state}",
            "  timeout = {timeout}, retry count = {retry_count}, retry interval = {retry_interval}",
            "  connections = {connections}, messages received = {messages_received}, sent = {messages_sent}",
            "  keep-alive timeouts = {keep_alive_timeouts}, framing errors = {framing_errors}",
            "  authentication failures = {authentication_failures}, excess entries = {excess_entries}",
            "  unauthorized weights = {unauthorized_weights}",
            "  malformed = {malformed_messages}, unknown = {unknown_messages}, unexpected = {unexpected_messages}",
        )
    ),
)
DFP_WEIGHTS = Report(dfp_weights, _weights)
