"""The command ``haslb-lab``: runs the lab from the checkout that this package is installed from."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from ryu_haslb import product

_CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: Optional[Sequence[str]] = None, checkout: Path = _CHECKOUT) -> int:
    """Replace this process by the lab's command line; return 1 if this package is not installed from a checkout."""
    program = checkout / "mininet" / "haslb_lab" / "command_line.py"
    words = sys.argv[1:] if arguments is None else arguments
    if not program.is_file():
        if list(words) == ["--version"]:
            print(product())
            return 0
        print(f"haslb-lab: no lab at {program}; run pip install -e '.[lab]' in a checkout", file=sys.stderr)
        return 1
    paths = [str(checkout), str(checkout / "mininet"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    os.execve(sys.executable, [sys.executable, str(program), *words], environment)
    raise AssertionError("execve does not return")


if __name__ == "__main__":
    sys.exit(main())
