"""What a lab leaves behind."""

from __future__ import annotations

from haslb_lab.runner import claim, janitor


def leftovers() -> list[str]:
    """Everything that bears the lab's mark, once no lab is held any more."""
    claim.claim().close()
    found = [f"process {process}" for process in janitor.processes()]
    found += [f"bridge {name}" for name in janitor.bridges()] + [f"interface {name}" for name in janitor.interfaces()]
    return found + [str(path) for path in [janitor.DIRECTORY] if path.exists()]
