"""The whole system in one process on a virtual clock: one seed, one run, byte for byte the same again.

See README.md for what is real and what is simulated.
"""
