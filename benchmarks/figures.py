"""Figures beside their targets, and the guard over ratios. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Optional

#: The share of a kept ratio that a new one may lack.
TOLERANCE = 1 / 3


@dataclass(frozen=True)
class Figure:
    """A measured value and what it is to be: at least or at most ``target``; with no target it only informs."""

    name: str
    value: float
    unit: str
    target: Optional[float] = None
    at_least: bool = False

    @property
    def reached(self) -> Optional[bool]:
        """Whether the value, as measured, is what it is to be; None without a target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "at_least": self.at_least,
            "reached": self.reached,
        }

    def row(self) -> tuple[str, str, str, str]:
        """Name, value, target and whether it is reached, as words for a table."""
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
    """Three significant digits, thousands apart, nothing in powers of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.6f}"


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each name over all rounds."""
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def fallen(kept: Mapping[str, float], measured: Mapping[str, float]) -> list[str]:
    """A line for each kept ratio that has fallen by more than :data:`TOLERANCE`, or is not measured any more.

    Ratios are such that more is better.
    """
    lines = []
    for name, before in kept.items():
        now = measured.get(name)
        if now is None:
            lines.append(f"{name}: is kept as {number(before)} and was not measured")
        elif now < before * (1 - TOLERANCE):
            lines.append(f"{name}: {number(now)} is more than a third below {number(before)}")
    return lines
