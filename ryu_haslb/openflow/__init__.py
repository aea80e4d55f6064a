"""The switches: connections, roles, flow tables, messages, session rules, admission, recovery, audit and retirement.

Only the transport needs the engine, which it imports from :mod:`ryu_haslb.engine`.
"""
