"""The table rule x {fires, guards}: made of what ran and passed, so that no rule is without
a program that fires it and one that must not.

A test tells by its name what it shows: aff_01_fires_..., aff_01_guard_... (several rules:
aff_01_ovs_02_fires_..., aff_05_06_guard_...). A variant of kernels/expectations.json fires what
it must find, and guards what must have passed. Tables of guards on hand-built models print "guards RULE NUMBER". A
test with stand_in in its name ran against a stand-in of a library.

A rule may need a fact that nobody records: then it is unknown by design where it would speak,
says so in its text ("So it is unknown"), and a test named mpi_07_unknown_... shows it. No
other rule is spared a program that fires it.
"""
import json
import re

NAME = re.compile(r"(?:^|/)((?:[a-z]{3}[-_](?:\d\d[-_])+)+)(fires|guard|unknown)[-_]")
MODELS = re.compile(r"^guards ([A-Z]{3}-\d\d) (\d+)$")
RULES = re.compile(r"([a-z]{3})((?:[-_]\d\d)+)")


class Row:
    def __init__(self):
        self.fires = self.stand_ins = self.guards = self.models = 0
        self.skipped = False  # a program that fires it cannot run here
        self.unknown = 0  # tests that show that it is unknown by design
        self.by_design = False


class RuleTable:
    def __init__(self, root):
        listed = re.findall(r"^ +X\((\w+)\)", (root / "report/rule_list.h").read_text(), re.M)
        self.rows = {identifier(name): Row() for name in listed}
        for file in (root / "report/rules").glob("*.c"):
            for text in file.read_text().split(".id = ")[1:]:
                rule, says = text[1:7], re.sub(r'"\s*"', "", text)
                self.row(rule).by_design = "So it is unknown" in says
        self.variants = {v["name"]: v for v in
                         json.loads((root / "kernels/expectations.json").read_text())["variants"]}

    def row(self, rule):
        return self.rows.setdefault(rule, Row())

    def shows(self, name):
        """(rule, "fires" or "guard") of a test, by its full name."""
        match = NAME.search(name)
        for family, numbers in RULES.findall(match[1]) if match else ():
            for number in re.findall(r"\d\d", numbers):
                yield identifier(f"{family}-{number}"), match[2]
        variant = self.variants.get(name.removeprefix("kernels/"))
        if not variant or not name.startswith("kernels/"):
            return
        yield from ((rule, "fires") for rule in variant["must"])
        yield from ((rule, "guard") for rule in variant.get("pass", ()))

    def passed(self, name):
        name = name.split(" ")[0]  # the time it took follows
        for rule, kind in self.shows(name):
            row = self.row(rule)
            if kind == "unknown":
                row.unknown += 1
            elif name.startswith("unit/"):
                row.models += kind == "guard"
            elif kind == "guard":
                row.guards += 1
            else:
                row.fires += 1
                row.stand_ins += "stand-in" in name.replace("_", "-")

    def skipped(self, name):
        for rule, kind in self.shows(name):
            self.row(rule).skipped |= kind == "fires"

    def unit_line(self, line):
        match = MODELS.match(line)
        if match:
            self.row(match[1]).models += int(match[2])

    def lacking(self):
        """Rules that no real program fired, though none that would was skipped, and that were
        not shown to be unknown by design."""
        return [rule for rule, row in self.rows.items()
                if not row.fires and not row.skipped and not (row.by_design and row.unknown)]

    def text(self, everything):
        """Lines of at most 80 columns; unless everything ran, only rules that something ran for."""
        heading = f"{'rule':6} {'fires':>11} {'guards':>7} {'models':>7}"
        cells = [cell(rule, row) for rule, row in self.rows.items()
                 if everything or row.fires or row.guards or row.models]
        half = (len(cells) + 1) // 2
        lines = ["Rules, by the tests that ran and passed: programs that fire them (s-in: against",
                 "a library's stand-in), programs and models on which they must keep silent"]
        lines += [f"  {heading}   {heading if len(cells) > 1 else ''}".rstrip()]
        for at in range(half):
            right = cells[at + half] if at + half < len(cells) else ""
            lines.append(f"  {cells[at]}   {right}".rstrip())
        return lines if cells else []


def identifier(name):
    return name.upper().replace("_", "-")


def cell(rule, row):
    number = lambda count: str(count) if count else "NONE"
    fires = "skipped" if row.skipped and not row.fires else number(row.fires)
    if row.by_design and row.unknown and not row.fires:
        fires = "unknown"
    fires += (f" ({row.stand_ins} s-in)" if row.stand_ins else "")
    return f"{rule:6} {fires:>11} {number(row.guards):>7} {number(row.models):>7}"
