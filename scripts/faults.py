"""Runs the fault experiments in full and prints what they found: experiment, N, failures, measured, pass.

The experiments are tests in crates/onstage/tests/faults; `make test` runs them with few rounds.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "crates/onstage/tests/faults"
PAGE = ROOT / "docs/faults.md"
TOLD_MAX = 3
HEAD = ["| experiment | N | failures | measured | pass |", "|---|---|---|---|---|"]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", help="experiments with commas: F03,S14")
    options.add_argument("--seed", type=int, help="repeat a run's random choices")
    options.add_argument("--dev", action="store_true", help="few rounds, development build: to try the table out")
    options.add_argument(
        "--write", action="store_true", help=f"write the table, or the rows of some, to {PAGE.relative_to(ROOT)}"
    )
    chosen = options.parse_args()
    tests = find_tests(chosen.only)
    cache = Path(os.environ.get("ONSTAGE_CACHE") or Path.home() / ".cache/onstage")
    results = cache / "faults"
    shutil.rmtree(results, ignore_errors=True)
    run(tests, results, chosen)
    rows = [read(results, name) for name in tests]
    print(table(rows))
    for row in rows:
        for told in (row["told"] + row["missed"])[:TOLD_MAX]:
            print(f"{row['experiment']}: {told[:500]}", file=sys.stderr)
    if chosen.write:
        PAGE.write_text(merged(PAGE.read_text(), rows) if chosen.only else page(rows))
    failed = [row["experiment"] for row in rows if not row["pass"]]
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def find_tests(only):
    """Test functions by experiment: `f38b_…` is F38b. Naming `F38` means F38b as well."""
    found = {}
    for source in sorted(SOURCES.rglob("*.rs")):
        for name in re.findall(r"async fn ([fs]\d\d[a-z]?_\w+)", source.read_text()):
            code = name.split("_")[0]
            found[code[0].upper() + code[1:]] = name
    found = dict(sorted(found.items()))
    if not only:
        return found
    wanted = [word.strip().lower() for word in only.split(",") if word.strip()]
    unknown = [word for word in wanted if not any(name.lower().startswith(word) for name in found)]
    if unknown:
        sys.exit(f"error: no experiment is called `{unknown[0]}`; there are {', '.join(found)}")
    return {name: test for name, test in found.items() if any(name.lower().startswith(word) for word in wanted)}


def run(tests, results, chosen):
    environment = {**os.environ, "FAULTS_RESULTS": str(results)}
    build = []
    if not chosen.dev:
        environment["FAULTS"] = "full"
        build = ["--cargo-profile", "release"]
    if chosen.seed is not None:
        environment["FAULTS_SEED"] = str(chosen.seed)
    wanted = " + ".join(f"test({test})" for test in tests.values())
    command = [
        "cargo",
        "nextest",
        "run",
        "--locked",
        "--profile",
        "faults",
        "-p",
        "onstage",
        "--test",
        "faults",
        "--features",
        "fail-points",
        *build,
    ]
    tools = os.environ.get("ONSTAGE_CACHE", str(Path.home() / ".cache/onstage"))
    environment["PATH"] = f"{tools}/tools/bin:{tools}/cargo/bin:{environment['PATH']}"
    # Its exit status says no more than the results do: a test without a result has failed.
    subprocess.run([*command, "-E", wanted], check=False, cwd=ROOT, env=environment)


def read(results, name):
    file = results / f"{name}.json"
    if file.exists():
        return json.loads(file.read_text())
    missing = {"told": ["it gave no result: the test's own output says why"], "missed": [], "measured": {}}
    return {"experiment": name, "title": "", "n": 0, "failures": 1, "pass": False, **missing}


def table(rows):
    return "\n".join([*HEAD, *map(line, rows)])


def line(row):
    measured = ", ".join(f"{name} {value:,}" for name, value in sorted(row["measured"].items()))
    what = f"{row['experiment']} {row['title']}".strip()
    passed = "yes" if row["pass"] else "**no**: " + "; ".join(row["missed"] or ["see its failures"])
    return f"| {what} | {row['n']:,} | {row['failures']} | {measured} | {passed} |"


def merged(text, rows):
    """The page with the rows of some experiments anew, and a line that says which and when."""
    before, old = text.split(HEAD[0], 1)
    lines = {found.split()[1]: found for found in old.splitlines() if re.match(r"\| [FS]\d\d", found)}
    lines.update({row["experiment"]: line(row) for row in rows})
    names = ", ".join(row["experiment"] for row in rows)
    return f"{before}By themselves, {when()}: {names}.\n\n" + "\n".join([*HEAD, *map(lines.get, sorted(lines)), ""])


def when():
    git = ["git", "log", "-1", "--format=%h"]
    commit = subprocess.run(git, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return f"on {datetime.now(timezone.utc).date().isoformat()}, commit {commit}, {os.cpu_count()} cores"


def page(rows):
    return f"""# Fault experiments

`make faults` {when()}. N is rounds; failures are things that must
never happen. A number that misses its limit fails the experiment too. What an experiment does stands in
`crates/onstage/tests/faults`.

{table(rows)}
"""


if __name__ == "__main__":
    sys.exit(main())
