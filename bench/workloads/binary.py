"""P4: a megabyte of bytes in, a small answer out, 8 connections; each server asked in the way it takes bytes best."""

from contextlib import ExitStack

from load import Ask
from ours import House
from peers import table

from workloads.echo import started
from workloads.rounds import interleaved

CONNECTIONS = 8
SECONDS = 4


def run(world):
    house = House(world, "bytes", ["bytes"])
    headers = {**table.BYTES, "Inference-Header-Content-Length": "0"}
    bare = Ask("/v2/models/bytes/infer", table.MEGABYTE, headers, "1000000")
    with ExitStack() as stack:
        ours = stack.enter_context(house.serving(bare))
        limit = stack.enter_context(world.the_limit(Ask("/", table.MEGABYTE, table.BYTES)))
        systems = [limit, ours, *started(world, stack, "P4", table.ALL, "binary")]
        interleaved(world, "P4", systems, CONNECTIONS, SECONDS, bytes_each=len(table.MEGABYTE))
    world.figures.note(
        "P4", "BentoML gets a form's part, LitServe base64 in JSON, the others (Onstage through `/v2`) the bare body."
    )
