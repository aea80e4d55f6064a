"""The error of a rule that does not hold."""

from __future__ import annotations


class ViolationError(Exception):
    """Something that must always hold does not."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(rule, what)
        self.rule = rule

    def __str__(self) -> str:
        return ": ".join(self.args)
