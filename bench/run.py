"""First figures: echo against a bare hyper server in the same run, cold start, idle memory. Only ratios count.

Needs `wrk`. Everything is on loopback and bounded in time.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from stage import Stage  # noqa: E402

CONNECTIONS = 64
ROUNDS = 3
SECONDS = 5
TICKS = os.sysconf("SC_CLK_TCK")


def processes_of(pid):
    """A process and all its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def cpu_seconds(pid):
    total = 0
    for one in processes_of(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def pss_mb(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) / 1024


def wrk(url, headers, body, seconds, folder):
    """Requests per second, p50 and p99 in ms, and answers that were not 2xx."""
    script = Path(folder) / "post.lua"
    lines = [
        'wrk.method = "POST"',
        f"wrk.body = {json.dumps(body)}",
        'wrk.headers["Content-Type"] = "application/json"',
    ]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script.write_text("\n".join(lines))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    done = int(re.search(r"(\d+) requests in", out).group(1))
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {
        "rate": rate,
        "done": done,
        "p50": latency(out, "50%"),
        "p99": latency(out, "99%"),
        "wrong": int(wrong.group(1)) if wrong else 0,
    }


def latency(out, share):
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", out).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def measured(pid, *arguments):
    before = cpu_seconds(pid)
    result = wrk(*arguments)
    result["cpu_us"] = 1e6 * (cpu_seconds(pid) - before) / max(1, result["done"])
    return result


def echo(stage, limit_address, limit_pid, folder):
    """Interleaved rounds; the median of each."""
    body = json.dumps({"input": {"x": 7}})
    bearer = {"Authorization": f"Bearer {stage.token}"}
    ours = (stage.process.pid, f"{stage.url}/v1/models/lab/echo/predictions", bearer, body)
    limit = (limit_pid, f"http://{limit_address}/", {}, body)
    for target in (ours, limit):
        measured(*target, 1, folder)
    rounds = [(measured(*ours, SECONDS, folder), measured(*limit, SECONDS, folder)) for _ in range(ROUNDS)]

    def median(side, field):
        return statistics.median(round[side][field] for round in rounds)

    print(f"echo, {CONNECTIONS} connections, JSON, {ROUNDS} interleaved rounds of {SECONDS} s")
    for side, name in ((0, "onstage"), (1, "limit (bare hyper)")):
        rate, p50, p99, cpu = (median(side, field) for field in ("rate", "p50", "p99", "cpu_us"))
        print(f"  {name:<20} {rate:>9,.0f} req/s  p50 {p50:.2f} ms  p99 {p99:.2f} ms  CPU {cpu:.1f} µs/req")
    ratio = statistics.median(round[0]["rate"] / round[1]["rate"] for round in rounds)
    wrong = sum(round[0]["wrong"] for round in rounds)
    print(f"  share of the limit   {ratio:.3f}   answers that were not 2xx: {wrong}")
    return {
        "share": ratio,
        "rate": median(0, "rate"),
        "limit": median(1, "rate"),
        "p99_ms": median(0, "p99"),
        "cpu_us": median(0, "cpu_us"),
        "wrong": wrong,
    }


def cold_start(binary, data):
    """From starting the whole server to its first answer, the model's worker started on the way."""
    seconds = []
    for _ in range(5):
        started = time.monotonic()
        with Stage(binary, data) as stage:
            status, answer = stage.http("POST", "/v1/models/lab/echo/predictions", {"input": {"x": 7}})
            seconds.append(time.monotonic() - started)
            assert status == 201 and answer["output"] == 7, answer
    print(f"cold start to first answer, trivial model: median {statistics.median(seconds):.3f} s of {len(seconds)}")
    return statistics.median(seconds)


def idle(binary, folder):
    with Stage(binary, Path(folder) / "empty") as stage:
        time.sleep(3)
        pid = stage.process.pid
        before = cpu_seconds(pid), switches(pid)
        time.sleep(10)
        cpu, woken = cpu_seconds(pid) - before[0], switches(pid) - before[1]
        memory = pss_mb(pid)
    print(f"idle front, no models: {memory:.1f} MB PSS, {cpu * 10:.1f} % CPU, {woken / 10:.1f} wake-ups a second")
    return {"pss_mb": memory, "cpu_percent": cpu * 10, "wakeups_per_s": woken / 10}


def switches(pid):
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1))
    return total


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", required=True)
    options.add_argument("--json", help="write the figures to this file")
    chosen = options.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(prefix="onstage-bench-") as folder:
        limit = subprocess.Popen(
            [str(Path(chosen.binary).with_name("onstage-limit"))], stdout=subprocess.PIPE, text=True
        )
        try:
            address = limit.stdout.readline().strip()
            data = Path(folder) / "data"
            with Stage(chosen.binary, data) as stage:
                stage.verb("push", ROOT / "bench/echo")
                figures["echo"] = echo(stage, address, limit.pid, folder)
            figures["cold_start_s"] = cold_start(chosen.binary, data)
            figures["idle"] = idle(chosen.binary, folder)
        finally:
            limit.terminate()
            limit.wait()
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
