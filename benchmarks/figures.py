"""Figures with their targets, and the check that no ratio has fallen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Optional

#: The part by which a ratio may be below the reference.
TOLERANCE = 1 / 3


@dataclass(frozen=True)
class Figure:
    """A measured value and its target, a lower bound if ``at_least``, else an upper bound; None: there is no target."""

    name: str
    value: float
    unit: str
    target: Optional[float] = None
    at_least: bool = False

    @property
    def reached(self) -> Optional[bool]:
        """Whether the value reaches its target; None without a target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """The figure as it is stored in the record."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "at_least": self.at_least,
            "reached": self.reached,
        }

    def row(self) -> tuple[str, str, str, str]:
        """Name, value, target and whether it is reached, as the cells of a table."""
        if self.target is None:
            return self.name, self._with_unit(self.value), "", ""
        bound = "at least" if self.at_least else "at most"
        return (
            self.name,
            self._with_unit(self.value),
            f"{bound} {self._with_unit(self.target)}",
            "yes" if self.reached else "no",
        )

    def _with_unit(self, value: float) -> str:
        return f"{number(value)} {self.unit}".rstrip()


def number(value: float) -> str:
    """A number with three significant digits and thousands separators, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.6f}"


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each name over all rounds."""
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def fallen(kept: Mapping[str, float], measured: Mapping[str, float]) -> list[str]:
    """A line for each ratio of the reference that has fallen by more than :data:`TOLERANCE`, or was not measured.

    In each ratio more is better.
    """
    lines = []
    for name, before in kept.items():
        now = measured.get(name)
        if now is None:
            lines.append(f"{name}: is kept as {number(before)} and was not measured")
        elif now < before * (1 - TOLERANCE):
            lines.append(f"{name}: {number(now)} is more than a third below {number(before)}")
    return lines
