"""Ray Serve set up by its documentation: tuned for throughput, logs off, batching where the workload has it."""

import os
import signal
import sys
import tempfile

import ray
from heavy import WINDOW_SECONDS, numbers, one_second
from ray import serve

MODEL, WORKERS = os.environ["BENCH_MODEL"], int(os.environ["BENCH_WORKERS"])
OPTIONS = {
    "num_replicas": WORKERS,
    "max_ongoing_requests": 1_000,
    "ray_actor_options": {"num_cpus": 0},
    "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
}


@serve.deployment(**OPTIONS)
class Echo:
    """One input, one answer."""

    def __init__(self):
        self.array = numbers() if MODEL in {"gigabyte", "heavy"} else None

    async def __call__(self, request):
        x = (await request.json())["x"]
        return {"output": x if self.array is None else float(self.array[x])}


@serve.deployment(**OPTIONS)
class Many:
    """A list of inputs, a list of answers."""

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.005)
    async def answer(self, inputs):
        return inputs

    async def __call__(self, request):
        return {"output": await self.answer((await request.json())["x"])}


@serve.deployment(**OPTIONS)
class Heavy:
    """A large array, and a second for a microbatch."""

    def __init__(self):
        self.array = numbers()

    @serve.batch(max_batch_size=100, batch_wait_timeout_s=WINDOW_SECONDS)
    async def answer(self, inputs):
        return one_second(self.array, inputs)

    async def __call__(self, request):
        return {"output": await self.answer((await request.json())["x"])}


@serve.deployment(**OPTIONS)
class Binary:
    """Raw bytes in, their number out."""

    async def __call__(self, request):
        return {"output": len(await request.body())}


SHAPES = {"echo": Echo, "many": Many, "gigabyte": Echo, "heavy": Heavy, "binary": Binary}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The paths of its sockets are long, and the kernel's limit is not.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        ray.init(
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=256 << 20,
            _temp_dir=folder,
        )
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])})
            serve.run(SHAPES[MODEL].bind())
            signal.pause()
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()
