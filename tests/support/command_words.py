"""Words for every command of the balancer, so that tests can give each of them."""

from __future__ import annotations

HAFARM = "ip slb serverfarm HAFARM"
#: Something for every parameter of a command.
VALUES = {"ADDRESS": "10.1.1.51", "PORT<1-65535>": "500", "NAME": "MIPSLB", "COMMANDS": HAFARM, "FILE": "haslb.ios"}


def spellings(template: str) -> list[str]:
    """The words of a template, with values for its parameters, and of its optional parts only what changes nothing."""
    words = template.replace("{all | ip slb sessions [ipmobile]}", "all").split("[")[0].split()
    words = [word.strip("{}") for word in " ".join(words).split(" | ")[0].split()]
    return [VALUES.get(word, word) for word in words] + ["--dry-run"] * ("[--dry-run" in template)
