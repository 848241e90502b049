"""FastAPI set up by its documentation: `async def` where nothing blocks, `def` and its threads where something does."""

import os

from fastapi import FastAPI, Request
from heavy import numbers, one_second
from pydantic import BaseModel

MODEL = os.environ["BENCH_MODEL"]
ARRAY = numbers() if MODEL in {"gigabyte", "heavy"} else None
app = FastAPI()


class Body(BaseModel):
    x: int


@app.post("/echo")
async def echo(body: Body) -> dict[str, int]:
    return {"output": body.x}


@app.post("/gigabyte")
async def gigabyte(body: Body) -> dict[str, float]:
    return {"output": float(ARRAY[body.x])}


@app.post("/heavy")
def heavy(body: Body) -> dict[str, float]:
    return {"output": one_second(ARRAY, [body.x])[0]}


@app.post("/binary")
async def binary(request: Request) -> dict[str, int]:
    return {"output": len(await request.body())}
