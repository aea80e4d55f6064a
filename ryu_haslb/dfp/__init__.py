"""Dynamic Feedback Protocol (draft-eck-dfp-01): home agents report what share of the load they can take.

The balancer is the DFP manager (:mod:`.manager`, :mod:`.connections`, :mod:`.weight_table`, :mod:`.steering`). A home
agent runs a DFP agent (:mod:`.agent`, :mod:`.server`, :mod:`.measurement`, :mod:`.weight`, :mod:`.command_line`). Both
share the codec and the keys (:mod:`.messages`, :mod:`.tlv`, :mod:`.framing`, :mod:`.channel`, :mod:`.security`).

Only :mod:`.connections` (eventlet), :mod:`.server` (asyncio), :mod:`.measurement` and :mod:`.command_line` do I/O. The
rest is pure: bytes and times in, actions out.
"""
