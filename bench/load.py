"""Load: closed loops by `wrk`, everything else by `onstage-load`. Does not know what it asks."""

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Ask:
    """One request, and what the body of a right answer contains."""

    path: str
    body: bytes = b""
    headers: dict = field(default_factory=lambda: {"Content-Type": "application/json"})
    expect: str = ""
    method: str = "POST"


def closed(address, ask, connections, seconds):
    """As many requests as the connections carry: rate, p50 and p99 in ms, requests done, answers that were not 2xx."""
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        body = Path(folder) / "body"
        body.write_bytes(ask.body)
        script = Path(folder) / "ask.lua"
        lines = [f"wrk.method = {json.dumps(ask.method)}", f'wrk.body = io.open("{body}", "rb"):read("*a")']
        lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in ask.headers.items()]
        script.write_text("\n".join(lines))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency"]
        out = subprocess.run(
            [*command, "-s", str(script), f"http://{address}{ask.path}"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "done": int(re.search(r"(\d+) requests in", out).group(1)),
        "p50_ms": quantile(out, "50%"),
        "p99_ms": quantile(out, "99%"),
        "wrong": (int(wrong.group(1)) if wrong else 0) + (sum(map(int, broken.groups())) if broken else 0),
    }


def quantile(out, share):
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s|m)", out).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1_000, "m": 60_000}[unit]


class Load:
    """One run of `onstage-load`; `finish` waits for its figures."""

    def __init__(self, program, mode, address, ask, **plan):
        plan["mode"] = mode
        plan["ask"] = {
            "address": address,
            "method": ask.method,
            "path": ask.path,
            "headers": ask.headers,
            "body": ask.body.decode(),
        }
        if mode == "open":
            plan["expect"] = ask.expect
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.process.stdin.write(json.dumps(plan) + "\n")
        self.process.stdin.flush()

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"`onstage-load` ended with code {self.process.wait()}")
        return json.loads(text)

    def finish(self):
        """Closes its standard input, which ends what would go on for ever, and reads the last line."""
        self.process.stdin.close()
        figures = self.line()
        self.process.wait()
        return figures

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def open_loop(program, address, ask, phases, seed=1, connections_max=8_000, timeout_s=60):
    """Requests at the times of a Poisson process; phases are (requests a second, seconds)."""
    with Load(
        program,
        "open",
        address,
        ask,
        phases=phases,
        seed=seed,
        connections_max=connections_max,
        timeout_s=timeout_s,
    ) as load:
        return load.finish()
