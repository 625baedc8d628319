"""The log loss: one floor for all that measure it. No pandas."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def losses_of(given: ArrayLike) -> NDArray[np.float64]:
    """Return minus the logarithm of the probabilities that true labels were given, in nats; 36 where it is 0."""
    return -np.log(np.maximum(np.asarray(given, dtype=np.float64), np.finfo(np.float64).eps))
