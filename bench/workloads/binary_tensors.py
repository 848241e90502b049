"""P8: a megabyte of float32 each way over the Open Inference Protocol, binary where the server knows it."""

from contextlib import ExitStack

import tensors
from ours import House
from peers import table
from world import OURS

from workloads.echo import started
from workloads.rounds import interleaved

CONNECTIONS = 8
SECONDS = 4


def run(world):
    with ExitStack() as stack:
        systems = started(world, stack, "P8", table.WITH_TENSORS, "tensor")
        try:
            house = House(world, "tensor", ["tensor"])
            systems.insert(0, stack.enter_context(house.serving(tensors.as_binary("/v2/models/tensor/infer"))))
        except (Exception, SystemExit) as error:
            world.figures.fail("P8", OURS, error)
        interleaved(world, "P8", systems, CONNECTIONS, SECONDS, bytes_each=2 * 4 * tensors.NUMBERS)
    world.figures.note(
        "P8", "MLServer's HTTP takes and gives tensors as JSON numbers only; the others use binary data."
    )
