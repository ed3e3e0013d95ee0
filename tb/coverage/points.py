"""Coverage points: read from the files of the benches, merged, excluded, counted.

A point of the RTL is a place in a source file (line, column) and what Verilator calls it: a block, a bit of a signal, a
cover statement. Instances, parameters and runs are merged: the point is hit when any of them hit it. A functional
point is a name that a bench declares.
"""

import collections
import dataclasses
import os
import pathlib
import re
import tomllib

KINDS = ("line", "toggle", "user", "functional")
FLOORS = {"line": 98.0, "toggle": 95.0, "user": 100.0, "functional": 100.0}
MOST_EXCLUDED = 2.0  # % of the points of a kind
OF_VERILATOR = {"line": "line", "branch": "line", "toggle": "toggle", "user": "user"}


class Error(Exception):
    """One sentence for the user; nothing can be reported."""


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    kind: str
    file: str  # relative to the repository; empty for functional points
    line: int
    column: int
    name: str


@dataclasses.dataclass
class Exclusion:
    """Points of a file and kind: those whose source line holds `text`, and whose name matches `points`."""
    file: str
    kind: str
    reason: str
    text: str = ""
    points: str = ""

    def matches(self, point, source_line):
        return (point.file == self.file and point.kind == self.kind and self.text in source_line and
                re.fullmatch(self.points or ".*", point.name) is not None)

    def __str__(self):
        return f"{self.file}, {self.kind}, {self.text or self.points}"


def verilator_point(keys, root):
    """A Point of the keys of a line of Verilator's file, None if it is not of our RTL."""
    fields = dict(part.split("\x02", 1) for part in keys.split("\x01") if part)
    path = pathlib.PurePath(os.path.normpath(fields["f"]))
    if not path.is_relative_to(root):
        raise Error(f"{path}: expected a file under {root}")
    kind = OF_VERILATOR.get(fields["page"].split("/")[0].removeprefix("v_"))
    if kind is None:
        raise Error(f"{path}, line {fields['l']}: expected a page of {', '.join(OF_VERILATOR)}, found {fields['page']}")
    file = str(path.relative_to(root))
    if not file.startswith("rtl/"):
        return None
    return Point(kind, file, int(fields["l"]), int(fields["n"]), fields.get("o", ""))


def read_counts(folder, root):
    """All points of the files of `folder` (*.dat of Verilator, *.functional of the benches) with their hits."""
    counts = collections.Counter()
    known = {}
    for path in sorted(folder.glob("*.dat")):
        for line in path.read_text(errors="replace").splitlines():
            if not line.startswith("C '"):
                continue
            keys, count = line[3:].rsplit("' ", 1)
            if keys not in known:
                known[keys] = verilator_point(keys, root)
            if known[keys] is not None:
                counts[known[keys]] += int(count)
    for path in sorted(folder.glob("*.functional")):
        for line in path.read_text().splitlines():
            count, name = line.split(" ", 1)
            counts[Point("functional", "", 0, 0, name)] += int(count)
    if not counts:
        raise Error(f"{folder}: no coverage points found, expected *.dat files")
    return counts


def read_exclusions(path):
    with open(path, "rb") as file:
        table = tomllib.load(file)
    exclusions = []
    for entry in table.get("exclude", []):
        unknown = set(entry) - {field.name for field in dataclasses.fields(Exclusion)}
        missing = {"file", "kind", "reason"} - set(entry)
        if unknown or missing:
            raise Error(f"{path}: an exclusion has file, kind, reason, and text or points; found {sorted(entry)}")
        if not entry["reason"].strip() or not (entry.get("text") or entry.get("points")):
            raise Error(f"{path}: exclusion of {entry['file']} without a reason, or of a whole file")
        exclusions.append(Exclusion(**entry))
    return exclusions


def source_lines(root, points):
    return {file: (root / file).read_text().splitlines() for file in {p.file for p in points if p.file}}


def apply_exclusions(counts, exclusions, sources):
    """The excluded points, by exclusion; raises Error for one that matches nothing, or a point that was hit."""
    by_file = collections.defaultdict(list)
    for point in counts:
        by_file[point.file].append(point)
    excluded = {}
    for exclusion in exclusions:
        found = [p for p in by_file.get(exclusion.file, []) if exclusion.matches(p, sources[p.file][p.line - 1])]
        if not found:
            raise Error(f"exclusion matches no point: {exclusion}")
        for point in found:
            if counts[point]:
                raise Error(f"exclusion of a covered point: {exclusion}, {point.name} in line {point.line}, "
                            f"{counts[point]} hits")
            excluded[point] = exclusion
    return excluded


@dataclasses.dataclass
class Tally:
    hit: int = 0
    points: int = 0  # without the excluded ones
    excluded: int = 0

    def percent(self):
        return 100.0 * self.hit / self.points if self.points else 100.0

    def excluded_percent(self):
        all_points = self.points + self.excluded
        return 100.0 * self.excluded / all_points if all_points else 0.0


def tally(counts, excluded, group):
    """Tallies by (group(point), kind)."""
    tallies = collections.defaultdict(Tally)
    for point, count in counts.items():
        entry = tallies[group(point), point.kind]
        if point in excluded:
            entry.excluded += 1
        else:
            entry.points += 1
            entry.hit += count > 0
    return tallies


def failures(totals):
    """What is under a floor or beyond the limit of exclusions; `totals` by kind."""
    found = []
    for kind in KINDS:
        entry = totals.get(kind, Tally())
        if entry.points + entry.excluded == 0:
            found.append(f"{kind}: no points")
        elif entry.hit * 100.0 < FLOORS[kind] * entry.points:
            found.append(f"{kind}: {entry.hit} of {entry.points} points, {entry.percent():.2f} %, "
                         f"expected at least {FLOORS[kind]:g} %")
        if entry.excluded_percent() > MOST_EXCLUDED:
            found.append(f"{kind}: {entry.excluded_percent():.2f} % of the points are excluded, expected at most "
                         f"{MOST_EXCLUDED:g} %")
    return found
