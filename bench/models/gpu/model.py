"""A network on a GPU: what it answers, what it holds, what it does without enough. Needs PyTorch with CUDA."""

import os
import time

import torch

import onstage as on

WIDTH = 2048
LAYERS = 8
MEMORY_BYTES = 2 << 30


@on.setup
def net():
    torch.manual_seed(0)
    layers = [layer for _ in range(LAYERS) for layer in (torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU())]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTH, 1)).half().cuda().eval()
    # So that what is given back can be seen from outside.
    held = torch.empty(MEMORY_BYTES, dtype=torch.uint8, device="cuda")
    return {"network": network, "held": held}


@on.predict
def score(x: float, gib: int = 0, *, net) -> dict:
    return answers(net, [x], gib)[0]


@score.many(max=64)
def _(rows, *, net):
    return answers(net, [row["x"] for row in rows], max(row["gib"] for row in rows))


def answers(net, numbers, gib):
    """One pass for all of them. `gib` asks for so much of the GPU's memory besides."""
    if gib:
        torch.empty(gib << 30, dtype=torch.uint8, device="cuda")
    with torch.inference_mode():
        column = torch.tensor(numbers, dtype=torch.float16, device="cuda").unsqueeze(1)
        scores = net["network"](column.expand(-1, WIDTH)).squeeze(1).tolist()
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [{"x": number, "score": each, "gpus": seen, "pid": os.getpid()} for number, each in zip(numbers, scores)]


@on.train
def learn(seconds: float = 1.0, *, ctx: on.Ctx) -> on.Weights:
    """Multiplies matrices for a while, and says on what."""
    print("trains on", torch.cuda.get_device_name(0), "as", os.environ.get("CUDA_VISIBLE_DEVICES"))
    square = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    until, steps = time.monotonic() + seconds, 0
    while time.monotonic() < until and not ctx.cancelled:
        square = torch.nn.functional.normalize(square @ square)
        torch.cuda.synchronize()
        steps += 1
    torch.save(square[:8, :8].cpu(), "weights.pt")
    return on.Weights("weights.pt", metrics={"steps": steps})
