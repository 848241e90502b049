"""MLServer set up by its documentation: one process, logs and metrics off. Its HTTP takes tensors as JSON only."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main():
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": int(os.environ["BENCH_PORT"]),
        "grpc_port": free_port(),
        "metrics_endpoint": None,
        "parallel_workers": 0,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "tensor", "implementation": "model.Tensor"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    program = Path(sys.executable).with_name("mlserver")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    os.execv(program, [str(program), "start", str(folder)])  # noqa: S606


if __name__ == "__main__":
    main()
