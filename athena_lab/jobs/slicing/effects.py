"""What running one cell does to the rest: what it needs, binds, replaces and changes.

A location is a name of the notebook ("df") or a thing outside, with its kind before a colon: "file:out.csv",
"dir:out", "table:sales.daily", "env:TZ", "module:pandas", "random:numpy", "cwd:", "figure:", "magic:sql", "output:".
"*" in a location stands for any text; the location "*" for any name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from athena_lab.jobs.slicing.values import UNKNOWN_PART


@dataclass(slots=True)
class Effects:
    """Gathered while a cell is read; names and locations are sets, notes say what was in doubt and why."""

    uses: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    """Whatever it may bind or change."""
    replaced: set[str] = field(default_factory=set)
    """Whatever it certainly binds anew and whole, so that nothing earlier counts."""
    changed: set[int] = field(default_factory=set)
    """Objects that it changes."""
    doubtful: dict[int, str] = field(default_factory=dict)
    """Objects that it may change, and why."""
    doubtful_writes: dict[str, str] = field(default_factory=dict)
    keeps: list[str] = field(default_factory=list)
    """Why the cell must be kept whatever is needed."""
    notes: list[str] = field(default_factory=list)
    """What could not be decided, told where the cell is kept."""

    def use(self, location: str) -> None:
        """Need a location, unless this cell itself has just made it."""
        if location not in self.replaced:
            self.uses.add(location.replace(UNKNOWN_PART, "*"))

    def write(self, location: str, *, replaces: bool = False) -> None:
        """Change a location, or make it anew and whole."""
        location = location.replace(UNKNOWN_PART, "*")
        self.writes.add(location)
        if replaces and "*" not in location:
            self.replaced.add(location)

    def doubt(self, location: str, why: str) -> None:
        """Perhaps change a location."""
        self.doubtful_writes.setdefault(location.replace(UNKNOWN_PART, "*"), why)

    def note(self, text: str) -> None:
        """Tell what could not be decided."""
        if text not in self.notes:
            self.notes.append(text)


def is_name(location: str) -> bool:
    """Tell whether a location is a name of the notebook."""
    return ":" not in location


def overlaps(one: str, other: str) -> bool:
    """Tell whether two locations may be the same."""
    if one == other:
        return True
    if "*" not in one and "*" not in other:
        return False
    if is_name(one) != is_name(other):
        return False
    return fnmatchcase(one, _pattern(other)) or fnmatchcase(other, _pattern(one))


def meeting(needed: Iterable[str], found: Iterable[str]) -> set[str]:
    """Give the needed locations that may be among the found ones."""
    needed, found = set(needed), set(found)
    same = needed & found
    wild_found = [item for item in found if "*" in item]
    wild_needed = [item for item in needed if "*" in item]
    same |= {item for item in needed if any(overlaps(item, wild) for wild in wild_found)}
    same |= {item for item in wild_needed if any(overlaps(item, other) for other in found)}
    return same


def _pattern(location: str) -> str:
    return location.replace("[", "[[]").replace("?", "[?]")
