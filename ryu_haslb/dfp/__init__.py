"""Dynamic Feedback Protocol (draft-eck-dfp-01): home agents report what share of the load they can take.

The balancer is the DFP manager: it connects to the agents (:mod:`.agent_connection`, :mod:`.configured_agents`,
:mod:`.manager_sockets`) and uses their weights (:mod:`.weight_table`, :mod:`.steering`). A home agent runs a DFP agent
(:mod:`.manager_connection`, :mod:`.agent_server`, :mod:`.command_line`), which measures its load (:mod:`.measurement`,
:mod:`.weight`). Both share the codec and the keys (:mod:`.messages`, :mod:`.tlv`, :mod:`.framing`, :mod:`.channel`,
:mod:`.security`).

Only :mod:`.manager_sockets` (eventlet), :mod:`.agent_server` (asyncio), :mod:`.measurement` and :mod:`.command_line` do
I/O. The rest is pure: bytes and times in, actions out.
"""
