"""Tuned generators: what is tuned, what is kept, what is sampled."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from emotion_kedro.augmentation.generators import (
    GenerationContext,
    LabelSampler,
    Unfinished,
    answers,
    conditional,
    draw_candidates,
    fine_tuned,
    load_generator,
    train_generator,
    tuning,
)
from emotion_kedro.augmentation.generators.answers import answers_to
from emotion_kedro.augmentation.generators.tuning import choose_trained, prepare_base
from emotion_kedro.config.augmentation import TunedGeneratorConfig, generator_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import DecodingConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.decoding import Request
from emotion_kedro.models.device import Device, side_by_side
from emotion_kedro.models.language_models import load_language_model
from emotion_kedro.storage.cache import Cache

TRAINING = {"steps": 3, "batch_size": 4, "learning_rate": 1e-2}
SCRATCH = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 300, "training": TRAINING}
DECODING = {"min_new_tokens": 3, "max_new_tokens": 6, "batch_size": 4}
KINDS = {
    "fine_tuned": {"kind": "fine_tuned"},
    "conditional": {"kind": "conditional"},
    "warmed up": {"kind": "fine_tuned", "warm_up": TRAINING},
    "on unlabelled text": {"kind": "fine_tuned", "unlabelled": TRAINING},
    "from scratch": {"kind": "fine_tuned", "base": "scratch", "scratch": SCRATCH},
    "conditional from scratch": {"kind": "conditional", "base": "scratch", "scratch": SCRATCH},
}


def config_of(model: Path, /, **changes: Any) -> Any:
    values = {
        **{"kind": "fine_tuned", "base": str(model), "tuning": "lora", "last_layers": 1, "max_tokens": 24, "texts": 6},
        **{"lora": {"rank": 2, "alpha": 4}, "training": TRAINING, "decoding": DECODING, "validation_texts": 4},
    }
    return generator_config({**values, **changes})


@pytest.mark.parametrize("name", list(KINDS))
def test_each_kind_writes_for_every_label_with_rows_and_the_seed_decides(
    name: str, context: GenerationContext, tiny_gpt2: Path, tmp_path: Path
) -> None:
    config = config_of(tiny_gpt2, **KINDS[name])
    context = replace(context, rows=context.rows[context.rows["label"] != "fear"])
    table = draw_candidates(config, context)
    assert list(table) == ["text", "label", "ended"]
    counts = table["label"].value_counts()
    assert set(counts.index) == set(context.taxonomy.names) - {"fear"}
    assert counts.max() <= 6
    assert len(table) > 9
    anew = replace(context, cache=Cache(tmp_path / "other"))
    pd.testing.assert_frame_equal(draw_candidates(config, anew), table)
    other = draw_candidates(config.model_copy(update={"seed": 7}), anew)
    assert other["text"].tolist() != table["text"].tolist()


def test_one_generator_for_all_heads_texts_by_the_word_for_their_label(
    context: GenerationContext, tiny_gpt2: Path
) -> None:
    spoken = {**dict.fromkeys(context.taxonomy.names), "joy": {"words": ["merry", "glad"]}}
    context = replace(context, taxonomy=TaxonomyConfig.model_validate({"labels": spoken}))
    tuner = conditional.Conditional(config_of(tiny_gpt2, kind="conditional"))
    rows = tuner.rows_of("all", context.rows[context.rows["label"] == "joy"].head(1), context.taxonomy)
    model = load_language_model(str(tiny_gpt2), context.device)
    [ids] = tuner.encode(model, rows)
    headed = model.tokenizer("merry:", add_special_tokens=False)["input_ids"]
    assert ids[1 : len(headed) + 1] == headed
    fitted = tuner.fit(context)
    assert fitted.words["joy"] == "merry"
    assert len(fitted.sample("joy", 2, 0)) == 2


@pytest.mark.parametrize(
    ("name", "tuning_of"),
    [
        *(("fine_tuned", tuning_of) for tuning_of in ("full", "last_layers", "lora")),
        # Adapters on a base of their own, on an adapted base, and on one that no name stands for.
        *((name, "lora") for name in ("conditional", "warmed up", "from scratch", "conditional from scratch")),
    ],
)
@pytest.mark.slow
def test_a_kept_model_writes_the_same_texts(
    name: str, tuning_of: str, context: GenerationContext, tiny_gpt2: Path, tmp_path: Path
) -> None:
    config = config_of(tiny_gpt2, **{**KINDS[name], "tuning": tuning_of})
    kept, log = train_generator(config, context)
    fitted: Any = kept.trained
    assert all(entry["steps"] == 3 for entry in log)
    base_is_trained = not {"warm_up", "unlabelled", "base"}.isdisjoint(KINDS[name])
    assert len(log) == (1 if config.kind == "conditional" else 4) + base_is_trained
    directory = tmp_path / "saved"
    directory.mkdir()
    kept.save(directory)
    opened: Any = load_generator(config, directory, context)
    texts = fitted.sample("joy", 6, 3)
    assert opened.sample("joy", 6, 3) == texts
    assert opened.sample("joy", 6, 4) != texts
    assert opened.identity == fitted.identity is not None
    # The same texts as those of a generator that is tuned as it is sampled.
    table = draw_candidates(config, context, opened)
    elsewhere = replace(context, cache=Cache(tmp_path / "other"))
    pd.testing.assert_frame_equal(draw_candidates(config, elsewhere), table)


def test_models_that_are_not_kept_cannot_be_saved(context: GenerationContext, tiny_gpt2: Path, tmp_path: Path) -> None:
    fitted = fine_tuned.FineTuned(config_of(tiny_gpt2)).fit(context)
    with pytest.raises(ValueError, match="train them to have models to save"):
        fitted.save(tmp_path)
    with pytest.raises(ValueError, match="the generator g is not tuned"):
        train_generator(generator_config({"kind": "eda"}), context, name="g")


def test_a_label_without_texts_cannot_be_trained(context: GenerationContext, tiny_gpt2: Path) -> None:
    some = replace(context, rows=context.rows[context.rows["label"] != "fear"])
    with pytest.raises(ValueError, match=r"'fear' has no train texts; raise records\.cap"):
        train_generator(config_of(tiny_gpt2), some)


# --- what is tuned ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tuning_of", "last_layers", "trained"),
    [
        ("full", 1, {"wte", "wpe", "h.0", "h.1", "ln_f"}),
        ("last_layers", 1, {"h.1"}),
        ("last_layers", 9, {"h.0", "h.1"}),
        ("lora", 1, {"h.1"}),
        ("lora", None, {"h.0", "h.1"}),
    ],
)
def test_the_tuning_says_which_parameters_move(
    tuning_of: str, last_layers: int | None, trained: set[str], tiny_gpt2: Path, cpu: Device
) -> None:
    config: TunedGeneratorConfig = config_of(tiny_gpt2, tuning=tuning_of, last_layers=last_layers)
    model = choose_trained(load_language_model(str(tiny_gpt2), cpu), config).model
    names = [name.split("transformer.")[1] for name, value in model.named_parameters() if value.requires_grad]
    assert {".".join(name.split(".")[: 2 if name.startswith("h.") else 1]) for name in names} == trained
    if tuning_of == "lora":
        # GPT-2's linear layers keep their weight the other way round: rank 2 on all four of a block.
        assert all("lora_" in name for name in names)
        assert len(names) == 8 * len(trained)


def test_the_base_is_made_once_for_all_draws_that_share_it(
    context: GenerationContext, tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[list[str]] = []
    make = tuning._make_base

    def counted(config: Any, training: Any, texts: list[str], *given: Any) -> Any:
        made.append(texts)
        return make(config, training, texts, *given)

    monkeypatch.setattr(tuning, "_make_base", counted)
    config = config_of(tiny_gpt2, unlabelled=TRAINING)
    base = prepare_base(config, context)
    assert [entry["label"] for entry in base.log] == ["all labels"]
    assert prepare_base(config, replace(context, rows=context.rows.iloc[1:], data_seed=5)) == base
    assert made == [context.unlabelled["text"].tolist()]
    assert prepare_base(config, replace(context, unlabelled=context.unlabelled.iloc[1:])) != base
    plain = prepare_base(config_of(tiny_gpt2), context)
    assert plain.log == []
    assert [file.name for file in plain.directory.iterdir() if file.suffix != ".json" and file.name != ".sha256"] == []


def test_nothing_of_this_machine_stands_in_a_kept_model(
    context: GenerationContext, tiny_gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, _ = train_generator(config_of(Path("scratch"), scratch=SCRATCH), context)
    directory = tmp_path / "saved"
    directory.mkdir()
    fitted.save(directory)
    for file in directory.rglob("*.*"):
        assert file.is_dir() or str(tmp_path).encode() not in file.read_bytes()


# --- sampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("least", "most"), [(0, 6), (4, 9), (7, 7)])
def test_texts_are_as_long_as_the_decoding_says(tiny_gpt2: Path, cpu: Device, least: int, most: int) -> None:
    language_model = load_language_model(str(tiny_gpt2), cpu)
    # The tied embedding of the boundary, made to look like everything: texts want to end at once.
    language_model.model.lm_head.bias = torch.nn.Parameter(torch.zeros(len(language_model.tokenizer)))
    language_model.model.lm_head.bias.data[language_model.boundary] = 2.5
    lengths: list[int] = []
    decode = language_model.tokenizer.batch_decode
    language_model.tokenizer.batch_decode = lambda rows, **_: [lengths.extend(map(len, rows)), decode(rows)][1]
    decoding = DecodingConfig(min_new_tokens=least, max_new_tokens=most)
    requests = [Request((language_model.boundary,))] * 64
    texts = answers_to(language_model, requests, decoding, device=cpu, seed=(0,))
    assert (min(lengths), max(lengths)) == (least, most)
    assert not any("<|" in text for text in texts)
    # Whether a text was ended, or only stopped, is known of each.
    assert [isinstance(text, Unfinished) for text in texts] == [length == most for length in lengths]


def test_a_label_is_drawn_batch_by_batch(
    context: GenerationContext, tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[int, int]] = []

    def sample(_model: Any, requests: list[Request], _decoding: Any, *, seed: int, **_: Any) -> list[list[int]]:
        batches.append((len(requests), seed))
        return [[5]] * len(requests)

    monkeypatch.setattr(answers, "sample_answers", sample)
    fitted = fine_tuned.FineTuned(config_of(tiny_gpt2)).fit(context)
    assert len(fitted.sample("joy", 10, 5)) == 10
    assert [rows for rows, _ in batches] == [4, 4, 2]
    assert len({seed for _, seed in batches}) == 3


def test_labels_side_by_side_are_drawn_as_one_after_the_other(context: GenerationContext, tiny_gpt2: Path) -> None:
    """Threads share the random state of torch: no draw may depend on what another thread does with it."""
    fitted = train_generator(config_of(tiny_gpt2), context)[0].trained
    names = context.taxonomy.names
    alone = [fitted.sample(label, 12, 3) for label in names]
    for _ in range(3):
        assert side_by_side(lambda label: fitted.sample(label, 12, 3), names, context.device) == alone


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_labels_that_other_workers_write_are_those_of_one_process(
    context: GenerationContext, tiny_gpt2: Path, tmp_path: Path
) -> None:
    """With a model that is kept, one that is tuned for the draw, and one that is not tuned."""
    import ray

    def on_ray(config: Any, fitted: Any) -> tuple[pd.DataFrame, list[str]]:
        here, write = os.getpid(), LabelSampler._write
        wrote_here: list[str] = []

        def watched(sampler: LabelSampler, label: str) -> pd.DataFrame:
            wrote_here.extend([label] * (os.getpid() == here))
            return write(sampler, label)

        LabelSampler._write = watched  # type: ignore[method-assign]
        try:
            return draw_candidates(config, replace(context, cache=Cache(tmp_path / "ray")), fitted), wrote_here
        finally:  # this worker may do other tests
            LabelSampler._write = write  # type: ignore[method-assign]

    words = {"request": "Text of {label}:", "texts": 6, "decoding": DECODING}
    tuned, prompted = config_of(tiny_gpt2), generator_config({"kind": "prompted", "base": str(tiny_gpt2), **words})
    for config, fitted in [(tuned, train_generator(tuned, context)[0].trained), (tuned, None), (prompted, None)]:
        table, here = ray.get(ray.remote(on_ray).remote(config, fitted))
        assert here == []
        pd.testing.assert_frame_equal(table, draw_candidates(config, context, fitted))


# --- what is kept, and what is thrown away ------------------------------------------------------------------------


class Saying:
    """A generator that says what it is told to, and counts."""

    def __init__(self, **texts: list[str]) -> None:
        self.texts, self.calls = texts, 0

    def sample(self, label: str, count: int, seed: int) -> list[str]:
        self.calls += 1
        return self.texts.get(label, [])


def test_what_is_written_is_not_written_again_unless_something_differs(
    context: GenerationContext, tiny_gpt2: Path
) -> None:
    config = config_of(tiny_gpt2, unlabelled=TRAINING)
    generator = Saying(joy=["fine"])
    for _ in range(2):
        table = draw_candidates(config, context, generator)
        assert table.to_numpy().tolist() == [["fine", "joy", True]]
    assert generator.calls == 4
    # The record's id is no part of what is written.
    draw_candidates(config, replace(context, rows=context.rows.assign(record_id="x")), generator)
    assert generator.calls == 4
    words = {label: {"words": [f"full of {label}"]} for label in context.taxonomy.names}
    other_words = TaxonomyConfig.model_validate({"labels": words})
    others = [
        (config, replace(context, rows=context.rows.iloc[1:])),
        (config, replace(context, rows=context.rows.assign(label=context.rows["label"].to_numpy()[::-1]))),
        (config, replace(context, data_seed=2)),
        (config, replace(context, unlabelled=context.unlabelled.iloc[1:])),
        (config.model_copy(update={"texts": 5}), context),
        # Prompts say the labels' words.
        (config, replace(context, taxonomy=other_words)),
        (config, replace(context, validation=context.rows.iloc[:1])),
    ]
    for number, (other_config, other) in enumerate(others, start=2):
        draw_candidates(other_config, other, generator)
        assert generator.calls == 4 * number


def test_texts_without_words_and_copies_of_held_out_texts_are_thrown_away(
    context: GenerationContext, tiny_gpt2: Path
) -> None:
    held = "nobody saw that she was furious and shouting with my sister in the kitchen"
    said = {
        "joy": ["", "...", " ", "fine"],
        "fear": [held, held.upper() + "!", held.replace("kitchen", "garden"), "no"],
    }
    config = config_of(tiny_gpt2)
    guard = LeakGuard(pd.DataFrame({"record_id": ["t:1"], "text": [held], "group": [-5]}))
    table = draw_candidates(config, replace(context, guard=guard), Saying(**said))
    assert table[["text", "label"]].to_numpy().tolist() == [["no", "fear"], ["fine", "joy"]]
    # Kept texts are looked at again when other rows are held out.
    guard = LeakGuard(pd.DataFrame({"record_id": ["t:1"], "text": ["Fine!"], "group": [-5]}))
    silent = Saying()
    assert "fine" not in draw_candidates(config, replace(context, guard=guard), silent)["text"].tolist()
    assert silent.calls == 0
    empty = draw_candidates(config, replace(context, data_seed=9), Saying(joy=["?"]))
    assert empty.empty
    assert list(empty) == ["text", "label", "ended"]
