"""The table of peers: folder, package, command, and what a request is. Their servers are in the folders beside."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict

import environments
from load import Ask
from serving import free_port, started
from tensors import as_binary, as_json

HERE = Path(__file__).resolve().parent
MEGABYTE = bytes(1_000_000)
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}


@dataclass
class Peer:
    name: str
    # Of its server's code, its environment and its requirements.
    folder: str
    package: str
    command: Callable
    asks: Dict[str, Ask]
    # `{folder}` stands for the run's own.
    environment: Dict[str, str] = field(default_factory=dict)

    @property
    def version(self):
        return environments.version(self.folder, self.package)

    def serving(self, model, world, workers=1, seconds_max=60):
        """A context in which it serves. Errors: `CannotInstallError`, `CannotStartError`."""
        python = environments.installed(self.folder)
        port = free_port()
        variables = {
            "BENCH_MODEL": model,
            "BENCH_WORKERS": str(workers),
            "BENCH_PORT": str(port),
            "BENCH_ARRAY": str(world.array),
            "PYTHONPATH": str(HERE / "work"),
            # What it leaves behind goes with everything else.
            "TMPDIR": str(world.folder),
            **{name: value.format(folder=world.folder) for name, value in self.environment.items()},
        }
        return started(
            self.name,
            self.command(python, port, workers),
            f"127.0.0.1:{port}",
            self.asks[model],
            world.folder,
            environment=variables,
            seconds_max=seconds_max,
            cwd=HERE / self.folder,
        )


def numbers(path, prefix="/", one=b'{"x": 7}', expect='"output":', **others):
    """Requests of the workloads whose input is a number; `path` stands for all of them unless it is None."""
    asks = {model: Ask(path or prefix + model, one, JSON, expect) for model in ("echo", "many", "gigabyte", "heavy")}
    return {**asks, **others}


def mosec_command(python, port, _workers):
    limits = ["--capacity", "8192", "--timeout", "60000", "--log-level", "error"]
    return [python, "serve.py", "--address", "127.0.0.1", "--port", port, *limits]


def uvicorn_command(python, port, workers):
    quiet = ["--no-access-log", "--log-level", "error", "--http", "httptools", "--loop", "uvloop"]
    several = ["--workers", workers] if workers > 1 else []
    return [python, "-m", "uvicorn", "serve:app", "--host", "127.0.0.1", "--port", port, *quiet, *several]


def bentoml_command(python, port, _workers):
    return [python.with_name("bentoml"), "serve", "serve:Bench", "--host", "127.0.0.1", "--port", port, "--quiet"]


def script(python, _port, _workers):
    return [python, "serve.py"]


def as_form(name, content, boundary="bench"):
    """A file as a form's only part: the body and its headers."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="bytes.bin"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


BINARY = {"body": MEGABYTE, "headers": BYTES, "expect": "1000000"}
MOSEC = Peer("mosec", "mosec", "mosec", mosec_command, numbers("/inference", binary=Ask("/inference", **BINARY)))
FASTAPI = Peer("FastAPI", "fastapi", "fastapi", uvicorn_command, numbers(None, binary=Ask("/binary", **BINARY)))
BASE64 = json.dumps({"x": base64.b64encode(MEGABYTE).decode()}).encode()
LITSERVE = Peer(
    "LitServe",
    "litserve",
    "litserve",
    script,
    numbers("/predict", binary=Ask("/predict", BASE64, JSON, "1000000")),
)
LIST = b'{"x": [7]}'
BENTOML = Peer(
    "BentoML",
    "bentoml",
    "bentoml",
    bentoml_command,
    {
        **numbers(None, expect=""),
        "many": Ask("/many", LIST, JSON, "[7]"),
        "heavy": Ask("/heavy", LIST, JSON, "["),
        "binary": Ask("/binary", *as_form("x", MEGABYTE), "1000000"),
    },
    {"BENTOML_DO_NOT_TRACK": "True"},
)
RAY = Peer(
    "Ray Serve",
    "ray",
    "ray",
    script,
    numbers("/", binary=Ask("/", **BINARY)),
    {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"},
)
MLSERVER = Peer("MLServer", "mlserver", "mlserver", script, {"tensor": as_json("/v2/models/tensor/infer")})
PYTRITON = Peer(
    "PyTriton",
    "pytriton",
    "nvidia-pytriton",
    script,
    {"tensor": as_binary("/v2/models/tensor/infer")},
    # It copies itself there at every start.
    {"PYTRITON_HOME": "{folder}"},
)

ALL = [MOSEC, FASTAPI, LITSERVE, BENTOML, RAY]
WITH_BATCHING = [MOSEC, LITSERVE, BENTOML, RAY]
WITH_TENSORS = [PYTRITON, MLSERVER]
