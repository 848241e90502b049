"""The tensor that came is the answer: what is measured is how its bytes come and go."""

import onstage as on


@on.predict
def same(x: on.Tensor["float32", (-1,)]) -> on.Tensor["float32", (-1,)]:  # noqa: F821
    return x
