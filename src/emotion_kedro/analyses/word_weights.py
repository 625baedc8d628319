"""Which words of a text speak for the label that an encoder classifier reads in it, and where its attention goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.data.lexicon import word_spans
from emotion_kedro.models.classifiers.encoder import EncoderClassifier
from emotion_kedro.models.device import Device
from emotion_kedro.models.training import by_length

ROWS = 8
PATH_ROWS = 64
"""Points of the paths that go through the model at once."""


@dataclass(frozen=True)
class TextWeights:
    """The words of a text with their weights, each (words,); only words that the model saw are among them."""

    spans: list[tuple[int, int]]
    predicted: int
    """Class number of the predicted label."""
    probability: float
    """What the classifier gives it."""
    attribution: NDArray[np.float64]
    """Integrated gradients of the predicted label's log-odds, in nats; below 0 a word speaks against the label."""
    attention: NDArray[np.float64]
    """From the first token, last layer, mean over heads."""
    rollout: NDArray[np.float64]
    """From the first token, through all layers."""
    outside: float
    """Attribution of what is no word: punctuation, digits, emoji."""
    change: float
    """Log-odds of the text minus those of the baseline: what the attributions should add up to."""

    @property
    def gap(self) -> float:
        """What the attributions add up to, minus what they should."""
        return float(self.attribution.sum() + self.outside - self.change)


def attribute_words(
    classifier: EncoderClassifier, texts: Sequence[str], *, device: Device, steps: int
) -> list[TextWeights]:
    """Attribute the predicted label of each text to its words, and measure the attention that they get.

    Attributions are integrated gradients (Sundararajan, Taly and Yan 2017, arXiv 1703.01365) on the input embeddings,
    of the log-odds of the predicted label against all others: unlike a probability they do not flatten out, unlike a
    logit they leave out what speaks for all labels alike. Attention is the mean over heads in the last layer, and
    attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928). Pieces are added up to words.

    Args:
        classifier: a fitted one; its weights stay as they are.
        texts: the texts.
        device: where it runs, in fp32.
        steps: points on the path to the text from the baseline, in which the mask token takes the place of every other
            that is not special.

    Raises:
        ValueError: if the tokenizer has no mask token, or cannot say which characters a token stands for.
    """
    tokenizer = classifier.tokenizer
    empty = tokenizer.mask_token_id
    if empty is None or not tokenizer.is_fast:
        raise ValueError("attribution needs a fast tokenizer with a mask token; this one has none")
    encoded = _encode(classifier, texts)
    weights_of: dict[int, TextWeights] = {}
    classifier.model.eval()
    for rows in by_length([text.ids for text in encoded], ROWS):
        chosen = [encoded[row] for row in rows]
        for row, weights in zip(
            rows, _attribute(classifier, chosen, device=device, steps=steps, empty=empty), strict=True
        ):
            weights_of[int(row)] = weights
    return [weights_of[row] for row in range(len(texts))]


@dataclass(frozen=True)
class _Encoded:
    ids: list[int]
    special: list[int]
    spans: list[tuple[int, int]]
    word_of: NDArray[np.int64]
    """Number of the word that each token is a piece of; -1: of none."""


def _encode(classifier: EncoderClassifier, texts: Sequence[str]) -> list[_Encoded]:
    batch = classifier.tokenizer(
        list(texts),
        truncation=True,
        max_length=classifier.max_tokens,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    columns = (batch[name] for name in ("input_ids", "special_tokens_mask", "offset_mapping"))
    result = []
    for text, ids, special, offsets in zip(texts, *columns, strict=True):
        spans = word_spans(text)
        word_of = words_of_tokens(offsets, special, spans)
        count = int(word_of.max(initial=-1)) + 1
        result.append(_Encoded(ids, special, spans[:count], word_of))
    return result


def words_of_tokens(
    offsets: Sequence[tuple[int, int]], special: Sequence[int], spans: Sequence[tuple[int, int]]
) -> NDArray[np.int64]:
    """Return the number of the word in which each token starts, (tokens,); -1: special, or punctuation."""
    starts = np.array([start for start, _ in spans], dtype=np.int64)
    ends = np.array([end for _, end in spans], dtype=np.int64)
    places = np.array([start for start, _ in offsets], dtype=np.int64)
    words = np.searchsorted(starts, places, side="right") - 1
    inside = (words >= 0) & (np.asarray(special) == 0)
    inside[inside] = places[inside] < ends[words[inside]]
    return np.where(inside, words, -1).astype(np.int64)


def merge_to_words(values: NDArray[np.float64], word_of: NDArray[np.int64], words: int) -> NDArray[np.float64]:
    """Add the values of the tokens (tokens,) up to words (words,); tokens of no word are left out."""
    inside = word_of >= 0
    return np.bincount(word_of[inside], weights=values[inside], minlength=words).astype(np.float64)


def _attribute(
    classifier: EncoderClassifier, encoded: Sequence[_Encoded], *, device: Device, steps: int, empty: int
) -> list[TextWeights]:
    import torch

    batch = device.put(classifier.batch([text.ids for text in encoded]))
    with torch.no_grad():
        probabilities = classifier.model(**batch).logits.float().softmax(dim=-1)
    probability, predicted = probabilities.max(dim=-1)
    special = _special(encoded, batch["input_ids"].shape[1])
    tokens, change = _integrated_gradients(classifier.model, batch, special, predicted, steps, empty)
    last, rolled = _attention(classifier.model, batch)
    result = []
    for row, text in enumerate(encoded):
        length, words = len(text.ids), len(text.spans)
        # (rows, longest) -> (tokens of this text)
        by_token = [values[row, :length].double().cpu().numpy() for values in (tokens, last, rolled)]
        attribution, attention, rollout = (merge_to_words(values, text.word_of, words) for values in by_token)
        result.append(
            TextWeights(
                spans=text.spans,
                predicted=int(predicted[row]),
                probability=float(probability[row]),
                attribution=attribution,
                attention=attention,
                rollout=rollout,
                outside=float(by_token[0][text.word_of < 0].sum()),
                change=float(change[row]),
            )
        )
    return result


def _special(encoded: Sequence[_Encoded], longest: int) -> Any:
    """Return which tokens are the same in text and baseline, (rows, longest): special ones and padding."""
    import torch

    rows = [[*text.special, *[1] * (longest - len(text.special))] for text in encoded]
    return torch.tensor(rows, dtype=torch.bool)


def _integrated_gradients(
    model: Any, batch: dict[str, Any], special: Any, predicted: Any, steps: int, empty: int
) -> tuple[Any, Any]:
    """Return the attribution of each token, (rows, longest), and what each row should add up to, (rows,)."""
    import torch
    from captum.attr import IntegratedGradients

    def log_odds(inputs: Any, mask: Any, label: Any) -> Any:
        logits = model(inputs_embeds=inputs, attention_mask=mask).logits.float()
        logit = logits.gather(1, label[:, None])[:, 0]
        others = logits.scatter(1, label[:, None], float("-inf")).logsumexp(dim=1)
        return logit - others

    ids, mask = batch["input_ids"], batch["attention_mask"]
    embed = model.get_input_embeddings()
    with torch.no_grad():
        text = embed(ids)
        baseline = embed(torch.where(special.to(ids.device), ids, empty))
        change = log_odds(text, mask, predicted) - log_odds(baseline, mask, predicted)
    attributions = IntegratedGradients(log_odds).attribute(
        text,
        baselines=baseline,
        additional_forward_args=(mask, predicted),
        n_steps=steps,
        internal_batch_size=max(PATH_ROWS, len(ids)),
    )
    return attributions.sum(dim=-1), change


def _attention(model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Return the attention of the first token to each, (rows, longest): of the last layer, and rolled out."""
    import torch

    usual = model.config._attn_implementation
    # The fast implementations never have the weights at hand.
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            layers = [heads.float().mean(dim=1) for heads in model(**batch, output_attentions=True).attentions]
    finally:
        model.set_attn_implementation(usual)
    return layers[-1][:, 0], roll_out(layers)[:, 0]


def roll_out(layers: Sequence[Any]) -> Any:
    """Return the attention through all layers, (rows, tokens, tokens).

    The residual connection counts as much as attention itself (Abnar and Zuidema 2020, section 4).

    Args:
        layers: attention of each layer, lowest first, mean over heads, (rows, tokens, tokens), rows adding up to 1.
    """
    import torch

    identity = torch.eye(layers[0].shape[-1], device=layers[0].device)
    joint = identity.expand_as(layers[0])
    for layer in layers:
        joint = (0.5 * layer + 0.5 * identity) @ joint
    return joint
