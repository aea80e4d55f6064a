"""The switches: a switch and its connections, flow tables as data, OpenFlow messages; each folder has one more subject.

Only the transport needs the engine, which it imports from :mod:`ryu_haslb.engine`.
"""
