"""What ``haslb`` and a running balancer agree on.

A client connects to the Unix socket, sends one line of shell-quoted words and reads lines until the balancer closes the
connection. A client that has to know whether it got all of the answer ends its line with :data:`END_MARK`, and gets one
as the last byte. A line that begins with :data:`ERROR_MARK` is an error. A request that begins with :data:`HELP` asks
what may stand in the place of its last word; each line of the answer is a word, a tab, and a word of help.
"""

from __future__ import annotations

CONTROL_VARIABLE = "HASLB_CONTROL"
DEFAULT_CONTROL = "/run/haslb.sock"

#: Bytes of a request, the line feed included.
LONGEST_REQUEST = 64 * 1024
ERROR_MARK = "% "
END_MARK = b"\x04"
HELP = "?"
JSON_FLAG = "--json"
#: Stands between the commands of ``config``, which are one word: no command holds a unit separator.
SEPARATOR = "\x1f"
