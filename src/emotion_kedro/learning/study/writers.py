"""Writers: generators that write the texts of a study's cell, from its train rows and from nothing else.

Three kinds: one tuned generator per label, one for all labels that is told the label, and a pretrained model that is
only asked. What a writer has written is kept; it is written again only where its rows or options have changed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, discard, fingerprint
from emotion_kedro.learning.decoding import Request, sample_answers
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Generator, Texts, choose_trained, prepare_base, train_generator
from emotion_kedro.learning.language_models import (
    LanguageModel,
    fit_language_model,
    load_language_model,
    open_directory,
    open_name,
)
from emotion_kedro.learning.study.store import Store
from emotion_kedro.options import GenerationOptions
from emotion_kedro.options.study import AskingOptions, WriterOptions
from emotion_kedro.text.held_out import HeldOut

logger = logging.getLogger(__name__)

WRITTEN, BASES = "written", "bases"


@dataclass(frozen=True)
class Desk:
    """What writers of every kind need: where they work, what they may not see, where things are kept."""

    labels: tuple[str, ...]
    held_out: HeldOut
    unlabelled: pd.DataFrame
    """Texts of the train side without labels: ``record_id, text, group``."""
    store: Store
    device: Device
    checkpoints: str


@dataclass(frozen=True)
class Piece:
    """What one writer writes for the rows of one size and data seed."""

    writer: str
    size: int
    data_seed: int

    def __str__(self) -> str:
        return f"writer {self.writer}, n={self.size}, data seed {self.data_seed}"


def identity_of(rows: pd.DataFrame, options: WriterOptions, desk: Desk, seed: int) -> str:
    """Return the fingerprint of what a writer would write."""
    unlabelled = desk.unlabelled[["text"]] if options.unlabelled is not None else None
    return fingerprint(
        *(rows[["text", "label"]], options, list(desk.labels), seed),
        *(unlabelled, contents_of(options.model), desk.device.kind),
    )


def write(name: str, rows: pd.DataFrame, options: WriterOptions, desk: Desk, *, seed: int) -> pd.DataFrame:
    """Return a writer's texts for these train rows: ``text, label``, as many per label as its options say, at most.

    Texts without a word and (nearly) copies of held-out texts are left out.

    Raises:
        LeakError: if a held-out row is among the train rows or the unlabelled texts.
    """
    desk.held_out.refuse(rows, f"the train rows of the writer {name}")
    if options.unlabelled is not None:
        desk.held_out.refuse(desk.unlabelled, f"the unlabelled texts of the writer {name}")
    identity = identity_of(rows, options, desk, seed)
    found = desk.store.load(WRITTEN, identity)
    if found is None:
        started = time.perf_counter()
        texts = KINDS[options.kind](rows, options, desk, name, seed)
        table = pd.DataFrame(
            [(text, label) for label, some in texts.items() for text in some], columns=["text", "label"], dtype="str"
        )
        table = table[table["text"].str.contains(r"\w", regex=True)].reset_index(drop=True)
        found = desk.store.save(WRITTEN, identity, table, seconds=time.perf_counter() - started)
    # Kept texts too: a study that holds out other rows may have had them written.
    copies = desk.held_out.copies(found["text"].tolist())
    if copies.any():
        logger.warning("%s: %d texts are copies of held-out ones and are thrown away", name, int(copies.sum()))
    return found[~copies].reset_index(drop=True)


def _per_label(rows: pd.DataFrame, options: WriterOptions, desk: Desk, name: str, seed: int) -> dict[str, list[str]]:
    assert options.tuning is not None
    tuning = options.tuning.model_copy(update={"seed": seed})
    base = _base_of(options, desk)
    written = {}
    for label in desk.labels:
        texts = Texts(rows.loc[rows["label"] == label, "text"].tolist(), ())
        if not texts.train:
            continue
        # The base is named too: a checkpoint of the same texts on another base would be another model.
        identity = fingerprint(list(texts.train), tuning, seed, base.name)
        store = Checkpoints(desk.checkpoints, f"study.{name}.{label}", identity)
        generator, _ = train_generator(base, texts, label=label, options=tuning, device=desk.device, checkpoints=store)
        written[label] = _sampled(merged(generator), options, desk.device, seed)
        store.clear()
    return written


def merged(generator: Generator) -> Generator:
    """Return the generator with its adapters merged into the model: decoding costs then what it costs in the base."""
    found = generator.language_model
    if not found.adapted:
        return generator
    return replace(generator, language_model=LanguageModel(found.model.merge_and_unload(), found.tokenizer))


def _sampled(generator: Generator, options: WriterOptions, device: Device, seed: int) -> list[str]:
    return _in_batches(
        options,
        lambda rows, batch: generator.sample(rows, options.decoding, device=device, seed=_seed_of(seed, batch)),
    )


def _in_batches(options: WriterOptions, draw: Callable[[int, int], list[str]]) -> list[str]:
    texts: list[str] = []
    batch = 0
    while len(texts) < options.texts:
        texts += draw(min(options.decoding.batch_size, options.texts - len(texts)), batch)
        batch += 1
    return texts


def _base_of(options: WriterOptions, desk: Desk) -> Path:
    """Return the directory of the model that the labels' generators start from; made once for all cells."""
    assert options.tuning is not None
    tuning = base_options(options)
    texts = desk.unlabelled["text"].tolist() if options.unlabelled is not None else []
    identity = fingerprint(tuning, texts, contents_of(options.tuning.base), desk.device.kind)
    target = desk.store.folder / BASES / identity
    if not target.is_dir():
        checkpoints = Checkpoints(desk.checkpoints, "study.base", identity)
        model, _ = prepare_base(Texts(texts, ()), tuning, device=desk.device, checkpoints=checkpoints)
        staging = target.with_name(f".partial-{identity}-{os.getpid()}")
        discard(staging)
        staging.mkdir(parents=True)
        model.save(staging)
        try:
            staging.rename(target)
        except OSError:
            # Another study, run at the same time, was faster; its base is as good as ours.
            discard(staging)
        checkpoints.clear()
    return target


def base_options(options: WriterOptions) -> GenerationOptions:
    """Return the options under which the base is prepared: on unlabelled texts where there are any."""
    assert options.tuning is not None
    scratch = options.tuning.scratch
    if options.unlabelled is not None:
        scratch = scratch.model_copy(update={"training": options.unlabelled})
    return options.tuning.model_copy(update={"warm_up": options.unlabelled, "scratch": scratch})


def _conditioned(rows: pd.DataFrame, options: WriterOptions, desk: Desk, name: str, seed: int) -> dict[str, list[str]]:
    assert options.tuning is not None
    tuning = options.tuning.model_copy(update={"seed": seed})
    desk.device.seed(seed)
    language_model = choose_trained(open_directory(_base_of(options, desk), desk.device), tuning)
    headings = {label: _heading(language_model, label) for label in desk.labels}
    encoded = [
        [*headings[label], *ids[1:]][: tuning.max_tokens]
        for label, ids in zip(
            rows["label"], language_model.encode(_led(rows["text"].tolist()), max_tokens=tuning.max_tokens), strict=True
        )
    ]
    store = Checkpoints(desk.checkpoints, f"study.{name}", fingerprint(rows[["text", "label"]], tuning, seed))
    fit_language_model(
        language_model,
        encoded,
        [],
        options=tuning.training,
        name=f"study.{name}",
        device=desk.device,
        checkpoints=store,
        seed=seed,
    )
    store.clear()
    generator = merged(Generator("", language_model, {}))
    written = {}
    for number, label in enumerate(desk.labels):
        if not (rows["label"] == label).any():
            continue
        request = Request(tuple(headings[label]))
        answers = _answers(generator.language_model, [request] * options.texts, options, 1.0, desk.device, seed, number)
        written[label] = [" ".join(text.split()) for text in answers]
    return written


def _heading(language_model: LanguageModel, label: str) -> list[int]:
    return [language_model.boundary, *language_model.tokenizer(f"{label}:", add_special_tokens=False)["input_ids"]]


def _led(texts: Iterable[str]) -> list[str]:
    """A text that follows a heading begins with a space, as it would in running text."""
    return [f" {text}" for text in texts]


def _asked(rows: pd.DataFrame, options: WriterOptions, desk: Desk, name: str, seed: int) -> dict[str, list[str]]:
    assert options.asking is not None
    assert options.base is not None
    language_model = load_language_model(open_name(options.base), desk.device)
    written = {}
    for number, label in enumerate(desk.labels):
        own = rows.loc[rows["label"] == label, "text"].tolist()
        if not own:
            continue
        rng = np.random.default_rng([seed, number])
        asked = [request_for(label, own, options.asking, rng) for _ in range(options.asking.requests)]
        # As many texts of each request, and those of one request side by side: it is read once for all of them.
        asked = [asked[place * len(asked) // options.texts] for place in range(options.texts)]
        requests = [encode_request(language_model.tokenizer, one, options.asking) for one in asked]
        answers = _answers(language_model, requests, options, options.asking.guidance, desk.device, seed, number)
        written[label] = [tidy(one.prefix + text) for one, text in zip(asked, answers, strict=True)]
        logger.info("study: writer %s, seed %d: %s, %d texts", name, seed, label, len(answers))
    return written


@dataclass(frozen=True)
class Asked:
    """A request in words: with the label, without it, and what the answer begins with."""

    request: str
    neutral: str | None
    prefix: str


def request_for(label: str, texts: Sequence[str], options: AskingOptions, rng: np.random.Generator) -> Asked:
    """Return a request for one label, with examples and a prefix from its train texts where the options say so."""
    shown = rng.permutation(len(texts))[: options.examples]
    examples = "\n".join(f"- {texts[place]}" for place in shown)
    prefix = ""
    if options.prefix_words:
        prefix = " ".join(str(texts[int(rng.integers(len(texts)))]).split()[: options.prefix_words])
    neutral = None if options.neutral is None else options.neutral.format(examples=examples)
    return Asked(options.request.format(label=label, examples=examples), neutral, prefix)


def encode_request(tokenizer: Any, asked: Asked, options: AskingOptions) -> Request:
    """Return the token ids of a request, in the tokenizer's chat template where there is one and it is wanted."""

    def ids(request: str) -> tuple[int, ...]:
        if options.chat and tokenizer.chat_template:
            turn = [{"role": "user", "content": request}]
            request = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        return tuple(tokenizer(request + asked.prefix, add_special_tokens=False)["input_ids"])

    neutral = ids(asked.neutral) if asked.neutral is not None and options.guidance > 1 else None
    return Request(ids(asked.request), neutral)


def _answers(
    language_model: LanguageModel,
    requests: Sequence[Request],
    options: WriterOptions,
    guidance: float,
    device: Device,
    seed: int,
    number: int,
) -> list[str]:
    ends = ends_of(language_model)
    texts: list[str] = []
    size = options.decoding.batch_size
    for batch, start in enumerate(range(0, len(requests), size)):
        drawn = sample_answers(
            language_model.model,
            requests[start : start + size],
            options.decoding,
            guidance=guidance,
            ends=ends,
            device=device,
            seed=_seed_of(seed, number, batch),
        )
        texts += language_model.tokenizer.batch_decode(drawn, skip_special_tokens=True)
    return texts


def ends_of(language_model: LanguageModel) -> list[int]:
    """Return the tokens that end a text: the boundary, the tokenizer's own end, and whatever begins with a new line."""
    tokenizer = language_model.tokenizer
    # Byte-level BPE writes a new line as U+010A.
    lines = [index for token, index in tokenizer.get_vocab().items() if token.startswith(("\n", "\u010a", "<0x0A>"))]
    own = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    return sorted({language_model.boundary, *own, *lines})


def tidy(text: str) -> str:
    """Return the first line of an answer, without the dash before it and the quotation marks around it."""
    first = next((line for line in text.strip().splitlines() if line.strip()), "")
    return " ".join(first.split()).removeprefix("- ").strip('"\u201c\u201d ')


def _seed_of(*parts: int) -> int:
    return int(np.random.SeedSequence(list(parts)).generate_state(1)[0])


KINDS: dict[str, Callable[[pd.DataFrame, WriterOptions, Desk, str, int], dict[str, list[str]]]] = {
    "per_label": _per_label,
    "conditioned": _conditioned,
    "asked": _asked,
}
"""A new kind of writer is a function here, and its name in :attr:`WriterOptions.kind`."""
