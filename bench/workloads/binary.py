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
    body, headers = table.as_form("data", table.MEGABYTE)
    form = Ask("/v1/models/lab/bytes/predictions", body, headers, '"output":1000000')
    with ExitStack() as stack:
        ours = stack.enter_context(house.serving(form))
        limit = stack.enter_context(world.the_limit(Ask("/", table.MEGABYTE, table.BYTES)))
        systems = [limit, ours, *started(world, stack, "P4", table.ALL, "binary")]
        interleaved(world, "P4", systems, CONNECTIONS, SECONDS, bytes_each=len(table.MEGABYTE))
    world.figures.note(
        "P4", "Onstage and BentoML get a form's part, LitServe base64 in JSON, the others the bare body."
    )
