"""The command ``haslb-lab``: the lab of the checkout that this package is installed from, without copying it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

_CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: Optional[Sequence[str]] = None, checkout: Path = _CHECKOUT) -> int:
    """Run the lab's command in the place of this process; return only if there is no checkout."""
    program = checkout / "mininet" / "haslb_lab" / "command_line.py"
    if not program.is_file():
        print(
            "haslb-lab: the lab is run from a checkout; install it from there: pip install -e '.[lab]'", file=sys.stderr
        )
        return 1
    paths = [str(checkout), str(checkout / "mininet"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    words = sys.argv[1:] if arguments is None else arguments
    os.execve(sys.executable, [sys.executable, str(program), *words], environment)
    return 0  # never reached


if __name__ == "__main__":
    sys.exit(main())
