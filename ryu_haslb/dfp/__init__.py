"""Dynamic Feedback Protocol (draft-eck-dfp-01): how home agents tell the balancer what share of the load they can take.

The balancer is the DFP manager (:mod:`.manager`, :mod:`.weight_table`), a home agent runs a DFP agent (:mod:`.agent`,
:mod:`.server`, :mod:`.command_line`). Everything but the last two is pure: bytes and times in, actions out.
"""
