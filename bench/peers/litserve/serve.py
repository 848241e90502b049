"""LitServe set up by its documentation: its fast queue, batching where the workload has it."""

import base64
import os

import litserve
from heavy import WINDOW_SECONDS, numbers, one_second

MODEL, WORKERS = os.environ["BENCH_MODEL"], int(os.environ["BENCH_WORKERS"])


class Echo(litserve.LitAPI):
    """One input, one answer."""

    def setup(self, device):
        self.array = numbers() if MODEL in {"gigabyte", "heavy"} else None

    def decode_request(self, request):
        return request["x"]

    def predict(self, x):
        return x

    def encode_response(self, output):
        return {"output": output}


class Many(Echo):
    """A list of inputs, a list of answers."""

    def batch(self, inputs):
        return inputs

    def unbatch(self, output):
        return output


class Gigabyte(Echo):
    """A large array in memory."""

    def predict(self, x):
        return float(self.array[int(x)])


class Heavy(Many):
    """A large array, and a second for a microbatch."""

    def predict(self, x):
        return one_second(self.array, x)


class Binary(Echo):
    """Bytes in, which LitServe takes as base64 in JSON; their number out."""

    def decode_request(self, request):
        return base64.b64decode(request["x"])

    def predict(self, x):
        return len(x)


# Interface, inputs in a microbatch, and how many seconds it waits for them.
SHAPES = {
    "echo": (Echo, 1, 0.0),
    "many": (Many, 32, 0.005),
    "gigabyte": (Gigabyte, 1, 0.0),
    "heavy": (Heavy, 100, WINDOW_SECONDS),
    "binary": (Binary, 1, 0.0),
}

if __name__ == "__main__":
    interface, batch, wait = SHAPES[MODEL]
    server = litserve.LitServer(
        interface(max_batch_size=batch, batch_timeout=wait),
        accelerator="cpu",
        workers_per_device=WORKERS,
        timeout=60,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
