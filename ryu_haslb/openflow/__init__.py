"""The switches: one switch (``switch.py``) and, each in a folder, its parts; ``fleet/`` has them all.

Only the transport needs the engine, which it imports from :mod:`ryu_haslb.engine`.
"""
