"""MLServer's way to answer with the tensor that came, by its NumPy codec."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Tensor(MLModel):
    """A float32 tensor in, the same out."""

    async def load(self):
        return True

    async def predict(self, payload):
        array = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("output", array)])
