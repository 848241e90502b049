"""A megabyte of float32 as a request of the Open Inference Protocol, in its binary extension and in JSON."""

import json
import struct

from load import Ask

NUMBERS = 262_144


def as_binary(path, name="x"):
    """Bytes behind a JSON head, and bytes wanted back."""
    content = struct.pack(f"<{NUMBERS}f", *([0.5] * NUMBERS))
    tensor = {"name": name, "shape": [NUMBERS], "datatype": "FP32", "parameters": {"binary_data_size": len(content)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Ask(path, head + content, headers, "binary_data_size")


def as_json(path, name="x"):
    """Numbers as text, for servers whose HTTP knows nothing else."""
    tensor = {"name": name, "shape": [NUMBERS], "datatype": "FP32", "data": [0.5] * NUMBERS}
    return Ask(path, json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"}, '"outputs"')
