"""The switches: connections, flow tables, messages in both directions, session rules, admission and recovery.

Only the transport needs the engine, which it imports from :mod:`ryu_haslb.engine`.
"""
