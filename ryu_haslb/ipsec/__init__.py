"""IPsec as the chapter configures it, done by strongSwan.

:mod:`.translation` and :mod:`.proposals` translate the crypto commands of a configuration for strongSwan's charon.
:mod:`.charon` sends that to a running charon over its vici socket, lists (:mod:`.associations`) and clears security
associations. :mod:`.module` reads the counters of the IPsec module's own program. Both use :mod:`.channel`, a socket
with a time-out for the whole exchange.
"""
