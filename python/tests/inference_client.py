"""What an unmodified Triton client must be able to do with `/v2`: `inference_client.py URL TOKEN` exits 0 when it can.

The end-to-end tests (`crates/onstage/tests/e2e/inference.rs`) put the models on stage and run this.
"""

from __future__ import annotations

import sys

import ml_dtypes
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

TYPES = {
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BOOL": np.bool_,
}


class Caller:
    def __init__(self, url: str, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = triton.InferenceServerClient(url.split("://")[1], concurrency=4)

    def given(self, name, array, datatype=None, binary=True):
        array = np.asarray(array)
        datatype = datatype or next(key for key, kind in TYPES.items() if kind == array.dtype)
        made = triton.InferInput(name, list(array.shape), datatype)
        return made.set_data_from_numpy(array, binary_data=binary)

    def infer(self, model, inputs, **more):
        return self.client.infer(model, inputs, headers=dict(self.headers), **more)

    def refused(self, status, words, model, inputs, **more):
        try:
            self.infer(model, inputs, **more)
        except InferenceServerException as error:
            assert (error.status(), words in error.message()) == (str(status), True), error
        else:
            raise AssertionError(f"`{words}` was expected")


def metadata(caller):
    client, headers = caller.client, caller.headers
    assert client.is_server_live() and client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata(headers)["extensions"]
    assert client.is_model_ready("scale", headers=headers)
    assert client.is_model_ready("scale", "1", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    made = client.get_model_metadata("scale", headers=headers)
    assert made == client.get_model_metadata("scale", "1", headers=headers)
    assert made["name"] == "scale" and made["versions"] == ["1"]
    assert made["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 16]},
        {"name": "factor", "datatype": "FP64", "shape": [1]},
    ]
    assert made["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 16]}]
    index = client.get_model_repository_index(headers)
    assert {"name": "scale", "version": "1", "state": "READY", "reason": ""} in index
    try:
        client.get_model_metadata("nobody", headers=headers)
    except InferenceServerException as error:
        assert (error.status(), "There is no model `lab/nobody`" in error.message()) == ("404", True), error
    try:
        client.get_server_metadata()
    except InferenceServerException as error:
        assert (error.status(), "token" in error.message()) == ("401", True), error


def tensors(caller):
    x = np.arange(32, dtype=np.float32).reshape(2, 16)
    for binary_in in (True, False):
        for binary_out in (True, False):
            outputs = [triton.InferRequestedOutput("output", binary_data=binary_out)]
            given = [caller.given("x", x, binary=binary_in), caller.given("factor", [0.5])]
            result = caller.infer("scale", given, outputs=outputs, request_id="r-7", parameters={"anything": "goes"})
            assert result.get_response()["id"] == "r-7"
            assert np.array_equal(result.as_numpy("output"), x * 0.5)
    # Without a list of outputs the client asks for all of them as binary data.
    result = caller.infer("scale", [caller.given("x", x)], model_version="1")
    assert result.get_output("output")["parameters"]["binary_data_size"] == x.nbytes
    assert np.array_equal(result.as_numpy("output"), x * 2)
    large = np.random.default_rng(1).random((16384, 16), np.float32)
    assert np.array_equal(caller.infer("scale", [caller.given("x", large)]).as_numpy("output"), large * 2)
    waiting = [
        caller.client.async_infer("scale", [caller.given("x", x + place)], headers=dict(caller.headers))
        for place in range(40)
    ]
    for place, one in enumerate(waiting):
        assert np.array_equal(one.get_result().as_numpy("output"), (x + place) * 2)


def types(caller):
    for datatype, kind in TYPES.items():
        x = np.array([[0, 1, 1], [1, 0, 1]]).astype(kind)
        for binary in (True, False) if datatype != "FP16" else (True,):
            result = caller.infer("echo", [caller.given("x", x, binary=binary)])
            assert result.get_output("output")["datatype"] == datatype
            assert result.as_numpy("output").dtype == kind
            assert np.array_equal(result.as_numpy("output"), x), datatype
    # Half and brain floats: sent as bytes, and half floats come back as JSON as well.
    outputs = [triton.InferRequestedOutput("output", binary_data=False)]
    halves = np.array([0.5, 65504], np.float16)
    assert caller.infer("echo", [caller.given("x", halves)], outputs=outputs).get_output("output")["data"] == [
        0.5,
        65504,
    ]
    brain = caller.given("x", np.array([1.5, -2.0], ml_dtypes.bfloat16), "BF16")
    assert np.array_equal(caller.infer("echo", [brain]).as_numpy("output").astype(np.float32), [1.5, -2.0])
    caller.refused(400, "BF16, which is sent as binary data only", "echo", [brain], outputs=outputs)
    # What JSON has no word for goes as binary data and not otherwise.
    odd = np.array([np.nan, np.inf], np.float32)
    assert np.array_equal(caller.infer("echo", [caller.given("x", odd)]).as_numpy("output"), odd, equal_nan=True)
    caller.refused(400, "not finite", "echo", [caller.given("x", odd)], outputs=outputs)
    empty = np.empty((0, 3), np.float32)
    assert caller.infer("echo", [caller.given("x", empty)]).as_numpy("output").shape == (0, 3)


def plain_values(caller):
    photo = bytes(range(256)) * 5000
    for binary in (True, False):
        given = [
            caller.given("name", np.array(["Ada ö"], np.object_), "BYTES", binary),
            caller.given("number", np.array([41], np.int64), binary=binary),
            caller.given("weights", np.array([0.5, 1.5]), binary=binary),
            caller.given("sure", np.array([True]), binary=binary),
            caller.given("photo", np.array([photo], np.object_), "BYTES"),
        ]
        result = caller.infer("kinds", given)
        assert result.as_numpy("text").tolist() == ["HELLO ADA Ö".encode()]
        assert result.as_numpy("number").tolist() == [42]
        assert result.as_numpy("halves").tolist() == [0.25, 0.75]
        assert result.as_numpy("back").tolist() == [photo[::-1]]
        outputs = [triton.InferRequestedOutput("number"), triton.InferRequestedOutput("text", binary_data=False)]
        result = caller.infer("kinds", given, outputs=outputs)
        assert [one["name"] for one in result.get_response()["outputs"]] == ["number", "text"]
    caller.refused(400, "`number` should be INT64, but it is FP64", "kinds", [caller.given("number", [1.5])])
    caller.refused(400, "missing", "kinds", given[:2])


def classification(caller):
    given = [caller.given("name", np.array(["Rex"], np.object_), "BYTES")]
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    result = caller.infer("pets", given, outputs=outputs)
    assert result.as_numpy("probabilities").tolist() == [b"0.75:1:dog", b"0.2:0:cat"]
    result = caller.infer("pets", given)
    assert result.as_numpy("labels").tolist() == [b"cat", b"dog", b"fish"]
    assert np.allclose(result.as_numpy("probabilities"), [0.2, 0.75, 0.05])


def packing(caller):
    x = np.zeros((1000, 16), np.float32)
    for one in ("gzip", "deflate"):
        result = caller.infer(
            "scale",
            [caller.given("x", x + 1)],
            request_compression_algorithm=one,
            response_compression_algorithm=one,
        )
        assert np.array_equal(result.as_numpy("output"), x + 2)


def refusals(caller):
    x = np.zeros((1, 16), np.float32)
    caller.refused(404, "There is no model `lab/nobody`", "nobody", [caller.given("x", x)])
    caller.refused(404, "no version `7`", "scale", [caller.given("x", x)], model_version="7")
    caller.refused(400, "FP32 [-1, 16], but it is FP32 [1, 15]", "scale", [caller.given("x", x[:, :15])])
    caller.refused(400, "but it is FP64 [1, 16]", "scale", [caller.given("x", x.astype(np.float64))])
    caller.refused(400, "no input `y`; its inputs are `x`, `factor`", "scale", [caller.given("y", x)])
    outputs = [triton.InferRequestedOutput("z")]
    caller.refused(400, "no output `z`", "scale", [caller.given("x", x)], outputs=outputs)
    caller.refused(400, "the factor is too large", "scale", [caller.given("x", x), caller.given("factor", [1e9])])
    caller.refused(500, "ZeroDivisionError", "scale", [caller.given("x", x), caller.given("factor", [0.0])])


def statistics(caller):
    (made,) = caller.client.get_inference_statistics("scale", headers=caller.headers)["model_stats"]
    assert made["version"] == "1" and made["inference_count"] >= 46
    stats = made["inference_stats"]
    assert stats["success"]["count"] == made["inference_count"] and stats["fail"]["count"] == 2
    assert stats["compute_infer"]["ns"] > 0
    names = {one["name"] for one in caller.client.get_inference_statistics(headers=caller.headers)["model_stats"]}
    assert {"scale", "echo", "kinds", "pets"} <= names


def main() -> None:
    caller = Caller(sys.argv[1], sys.argv[2])
    for check in (metadata, tensors, types, plain_values, classification, packing, refusals, statistics):
        check(caller)
        sys.stdout.write(f"{check.__name__}: as expected\n")


if __name__ == "__main__":
    main()
