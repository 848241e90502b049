"""The hot parts alone, counted in instructions by Callgrind: the same on a busy machine as on a quiet one."""

import json
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASELINE = Path(__file__).resolve().parents[1] / "instructions.json"
# A compiler or a dependency that changes moves counts a little; a change of ours that matters moves them more.
TOLERANCE = 0.03
# What is counted is this function of `bench/benches/instructions.rs` and whatever it calls.
COUNTED = "instructions::counted*"


def run(world):
    program = built()
    names = subprocess.run([program, "list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    counts = {name: counted(program, name, world.folder) for name in names}
    if world.update:
        BASELINE.write_text(json.dumps(counts, indent=2) + "\n")
    for name, count in counts.items():
        world.figures.add("instructions", name, "instructions", count)
        before = baseline().get(name)
        if before is None:
            world.figures.fail("instructions", name, "it is not in the baseline")
        else:
            world.figures.add("instructions", name, "baseline", before)
            world.figures.add("instructions", name, "by the baseline", count / before, "×")
    world.figures.note("instructions", "`make bench ONLY=instructions UPDATE=1` makes what was counted the baseline.")


def built():
    """The program that holds the parts, built as for release."""
    if shutil.which("valgrind") is None:
        raise RuntimeError("`valgrind` is missing; install it and try again")
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "onstage-bench", "--bench", "instructions", "--no-run"]
    done = subprocess.run([*command, "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(one["executable"] for one in messages if one.get("target", {}).get("kind") == ["bench"])


def counted(program, name, folder):
    """Instructions of one part, without what prepares it."""
    options = ["--tool=callgrind", f"--toggle-collect={COUNTED}", f"--callgrind-out-file={folder / 'callgrind.out'}"]
    done = subprocess.run(
        ["valgrind", *options, program, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    count = int(re.search(r"Collected\s*:\s*(\d+)", done.stdout).group(1))
    if not count:
        raise RuntimeError(f"nothing was counted of `{name}`: no function is called `{COUNTED}`")
    return count


def baseline():
    return json.loads(BASELINE.read_text()) if BASELINE.is_file() else {}
