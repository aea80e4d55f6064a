"""The acceptance test of a switch (``haslb switch-test``): trials, measurements, the verdict, and the sockets.

The test is one generator: it yields what is sent, and gets what came back (:mod:`.exchange`). Only :mod:`.link` has
sockets, and only it and :mod:`.runner` read the clock. The room needs neither the engine nor eventlet.
"""
