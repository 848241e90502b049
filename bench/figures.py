"""What was measured: values by workload, system and figure, one a round; and what could not be, with the reason."""

import json
import statistics


class Figures:
    def __init__(self):
        self.values = {}
        self.units = {}
        self.failures = []
        self.notes = {}
        self.versions = {}

    def add(self, workload, system, figure, value, unit=""):
        """One round's value. The first figures of a workload are its table's first columns."""
        self.values.setdefault(workload, {}).setdefault(system, {}).setdefault(figure, []).append(float(value))
        self.units[figure] = unit

    def fail(self, workload, system, reason):
        print(f"  {workload} {system}: not measured: {reason}", flush=True)
        self.failures.append((workload, system, " ".join(str(reason).split())[:400]))

    def note(self, workload, text):
        if text not in self.notes.setdefault(workload, []):
            self.notes[workload].append(text)

    def rounds(self, workload, system, figure):
        return self.values.get(workload, {}).get(system, {}).get(figure, [])

    def median(self, workload, system, figure):
        """The median of all rounds, or None when there is none."""
        rounds = self.rounds(workload, system, figure)
        return statistics.median(rounds) if rounds else None

    def ratio(self, workload, figure, over, under):
        """How many times `under` one system has of another: the median over the rounds, each with its own neighbour."""
        pairs = zip(self.rounds(workload, over, figure), self.rounds(workload, under, figure))
        ratios = [one / other for one, other in pairs if other]
        return statistics.median(ratios) if ratios else None

    def json(self):
        return json.dumps(
            {"values": self.values, "units": self.units, "failures": self.failures, "versions": self.versions}, indent=1
        )
