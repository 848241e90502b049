"""mosec set up by its documentation: dynamic batching where the workload has it, a queue that holds the load."""

import os

from heavy import WINDOW_SECONDS, numbers, one_second
from mosec import Server, Worker

MODEL, WORKERS = os.environ["BENCH_MODEL"], int(os.environ["BENCH_WORKERS"])


class Echo(Worker):
    """One input, one answer."""

    def forward(self, data):
        return {"output": data["x"]}


class Many(Worker):
    """A list of inputs, a list of answers."""

    def forward(self, data):
        return [{"output": one["x"]} for one in data]


class Gigabyte(Worker):
    """A large array in memory."""

    def __init__(self):
        super().__init__()
        self.array = numbers()

    def forward(self, data):
        return {"output": float(self.array[int(data["x"])])}


class Heavy(Worker):
    """A large array, and a second for a microbatch."""

    def __init__(self):
        super().__init__()
        self.array = numbers()

    def forward(self, data):
        return [{"output": answer} for answer in one_second(self.array, [one["x"] for one in data])]


class Binary(Worker):
    """Raw bytes in, their number out."""

    def deserialize(self, data):
        return data

    def forward(self, data):
        return {"output": len(data)}


# Worker, inputs in a microbatch, and how many milliseconds it waits for them.
SHAPES = {
    "echo": (Echo, 1, 0),
    "many": (Many, 32, 5),
    "gigabyte": (Gigabyte, 1, 0),
    "heavy": (Heavy, 100, round(1000 * WINDOW_SECONDS)),
    "binary": (Binary, 1, 0),
}

if __name__ == "__main__":
    worker, batch, wait_ms = SHAPES[MODEL]
    server = Server()
    server.append_worker(worker, num=WORKERS, max_batch_size=batch, max_wait_time=wait_ms)
    server.run()
