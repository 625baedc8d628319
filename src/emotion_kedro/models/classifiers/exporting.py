"""A fine-tuned encoder as ONNX, for programs without torch. Needs the extra ``onnx``."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from emotion_kedro.models.classifiers.encoder import INFERENCE_ROWS, EncoderClassifier
from emotion_kedro.models.training import by_length

WHOLE, QUANTISED = "model.onnx", "model_quantized.onnx"
"""The names by which other programs (optimum, transformers.js) look for them."""
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
LOGITS = "logits"
Read = Callable[[Sequence[str]], np.ndarray]
"""Takes texts, returns probabilities, shape (texts, labels)."""


def require_onnx() -> None:
    """Stop where the packages are missing.

    Raises:
        ValueError: naming them, and how they are installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"ONNX needs {', '.join(missing)}: pip install 'emotion-kedro[onnx]'")


def write_onnx(classifier: EncoderClassifier, file: Path) -> Path:
    """Write the model with its logits as output, rows and tokens left open; the temperature is in its weights.

    It runs where the model lies, which has to be the processor.
    """
    import torch

    classifier.model.eval()
    batch = classifier.batch(classifier.encode(["one text of some words", "another"]))
    open_shape = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens", max=classifier.max_tokens)}
    with _quietly():
        torch.onnx.export(
            classifier.model,
            kwargs=batch,
            f=file,
            dynamo=True,
            external_data=False,
            dynamic_shapes=dict.fromkeys(batch, open_shape),
            output_names=[LOGITS],
            verbose=False,
        )
    return file


def write_int8(file: Path, target: Path) -> Path:
    """Write a model of :func:`write_onnx` with its weights in 8 bits; activations are quantised as they come.

    Each column has a scale of its own, and weights use 7 of the bits: sums of 8 overflow on processors without VNNI.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quietly():
        quantize_dynamic(file, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    return target


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Leave out what the exporters say to their own developers; errors are raised as ever."""
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


def open_onnx(classifier: EncoderClassifier, file: Path) -> Read:
    """Return what reads texts by a file of :func:`write_onnx`, with the tokens and the batches of the classifier."""
    import onnxruntime
    import torch
    from scipy.special import softmax

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def read(texts: Sequence[str]) -> np.ndarray:
        encoded = classifier.encode(texts)
        result = np.empty((len(texts), len(classifier.labels)))
        for rows in by_length(encoded, INFERENCE_ROWS):
            batch = classifier.batch([encoded[row] for row in rows])
            (logits,) = session.run([LOGITS], {name: tensor.numpy() for name, tensor in batch.items()})
            result[rows] = softmax(logits, axis=-1)
        return result

    return read
