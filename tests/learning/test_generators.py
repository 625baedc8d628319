from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import (
    Generator,
    Texts,
    load_generator,
    nucleus,
    prepare_base,
    train_generator,
)
from emotion_kedro.learning.language_models import (
    LanguageModel,
    Reference,
    blocks_of,
    load_language_model,
    open_directory,
)
from emotion_kedro.options import DecodingOptions, GenerationOptions, LoraOptions, ScratchOptions, TrainingOptions

STEPS = TrainingOptions(steps=3, batch_size=4, learning_rate=1e-2, evaluate_every=3)
DECODING = DecodingOptions(min_new_tokens=4, max_new_tokens=9)
EVERY = ("full", "last_layers", "lora")


def tuned_by(tuning: str, base: str = "scratch", **change: Any) -> GenerationOptions:
    fields = {
        "base": base,
        "tuning": tuning,
        "last_layers": 1,
        "lora": LoraOptions(rank=2, alpha=4),
        "max_tokens": 24,
        "training": STEPS,
    }
    return GenerationOptions(**{**fields, **change})


@pytest.fixture(scope="module")
def joy(records: pd.DataFrame) -> Texts:
    texts = records.loc[records["label"] == "joy", "text"].tolist()
    return Texts(texts[:40], texts[40:])


def tune(base: Path, texts: Texts, options: GenerationOptions, device: Device, store: Checkpoints) -> Generator:
    return train_generator(base, texts, label="joy", options=options, device=device, checkpoints=store)[0]


def saved(model: Generator | LanguageModel | Reference, directory: Path) -> Path:
    directory.mkdir()
    model.save(directory)
    return directory


def plain_name(name: str) -> str:
    """The name of a parameter as it was before adapters were put on."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def changed(generator: Generator, base: Path, device: Device) -> set[str]:
    """Names of the base model's parameters that are not what they were."""
    before = load_language_model(str(base), device).model.state_dict()
    after = {plain_name(name): value for name, value in generator.language_model.model.state_dict().items()}
    assert before.keys() <= after.keys()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


# --- what is tuned ------------------------------------------------------------------------------------------------


def test_full_tuning_moves_everything(tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints) -> None:
    generator = tune(tiny_gpt2, joy, tuned_by("full"), cpu, store)
    everything = set(load_language_model(str(tiny_gpt2), cpu).model.state_dict())
    assert changed(generator, tiny_gpt2, cpu) == everything


@pytest.mark.parametrize(("last_layers", "moved"), [(1, ("h.1.",)), (2, ("h.0.", "h.1.")), (9, ("h.0.", "h.1."))])
def test_the_last_layers_move_alone(
    tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints, last_layers: int, moved: tuple[str, ...]
) -> None:
    generator = tune(tiny_gpt2, joy, tuned_by("last_layers", last_layers=last_layers), cpu, store)
    names = load_language_model(str(tiny_gpt2), cpu).model.state_dict()
    expected = {name for name in names if name.startswith(tuple(f"transformer.{layer}" for layer in moved))}
    assert changed(generator, tiny_gpt2, cpu) == expected


@pytest.mark.parametrize(("last_layers", "blocks"), [(1, {"1"}), (None, {"0", "1"})])
def test_adapters_move_and_the_base_does_not(
    tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints, last_layers: int | None, blocks: set[str]
) -> None:
    generator = tune(tiny_gpt2, joy, tuned_by("lora", last_layers=last_layers), cpu, store)
    assert changed(generator, tiny_gpt2, cpu) == set()
    adapters = {name: value for name, value in generator.language_model.model.named_parameters() if "lora_" in name}
    assert {name.split(".h.")[1][0] for name in adapters} == blocks
    # Of a pair, B starts at 0: where it is not 0 it has been trained. The four of a block are GPT-2's Conv1D.
    trained = {plain_name(name).split(".h.")[1] for name, value in adapters.items() if "lora_B" in name and value.any()}
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert trained == {f"{block}.{layer}.lora_B.default.weight" for block in blocks for layer in layers}


def test_an_adapter_on_conv1d_has_the_shape_of_its_layer(
    tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    generator = tune(tiny_gpt2, joy, tuned_by("lora"), cpu, store)
    shapes = {
        name.split(".h.1.")[1]: tuple(value.shape)
        for name, value in generator.language_model.model.named_parameters()
        if "c_attn.lora" in name
    }
    assert shapes == {"attn.c_attn.lora_A.default.weight": (2, 32), "attn.c_attn.lora_B.default.weight": (96, 2)}


def test_blocks_are_the_longest_list(tiny_gpt2: Path, cpu: Device) -> None:
    model = load_language_model(str(tiny_gpt2), cpu).model
    assert blocks_of(model) is model.transformer.h


def test_tuning_teaches_the_label(tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints) -> None:
    steps = STEPS.model_copy(update={"steps": 40, "evaluate_every": 10})
    options = tuned_by("full", training=steps)
    _, log = train_generator(tiny_gpt2, joy, label="joy", options=options, device=cpu, checkpoints=store)
    losses = [entry["validation"] for entry in log.losses]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]


def test_a_label_without_texts_is_an_error_that_says_what_to_do(
    tiny_gpt2: Path, cpu: Device, store: Checkpoints
) -> None:
    with pytest.raises(ValueError, match="'joy' has no train texts; raise sampling"):
        tune(tiny_gpt2, Texts([], []), tuned_by("full"), cpu, store)


@pytest.mark.parametrize("tuning", EVERY)
def test_an_interrupted_generator_ends_where_an_undisturbed_one_does(
    tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints, cut_off: Checkpoints, tuning: str
) -> None:
    steps = STEPS.model_copy(update={"steps": 6, "evaluate_every": 2, "checkpoint_every": 3})
    options = tuned_by(tuning, lora=LoraOptions(rank=2, alpha=4, dropout=0.1), training=steps)
    with pytest.raises(KeyboardInterrupt):
        tune(tiny_gpt2, joy, options, cpu, cut_off)
    resumed = tune(tiny_gpt2, joy, options, cpu, store)
    whole = tune(tiny_gpt2, joy, options, cpu, Checkpoints(store.directory.parent, "whole", "a1"))
    assert resumed.notes["log"]["losses"] == whole.notes["log"]["losses"]
    states = [generator.language_model.model.state_dict() for generator in (resumed, whole)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


# --- saving and opening -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tuning", EVERY)
def test_a_saved_generator_writes_the_same_texts(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints, tuning: str
) -> None:
    generator = tune(tiny_gpt2, joy, tuned_by(tuning), cpu, store)
    opened = load_generator(saved(generator, tmp_path / "joy"), tiny_gpt2, cpu)
    assert (opened.label, opened.notes) == ("joy", generator.notes)
    assert not opened.language_model.adapted
    texts = opened.sample(8, DECODING, device=cpu, seed=3)
    assert texts == generator.sample(8, DECODING, device=cpu, seed=3)
    assert texts != opened.sample(8, DECODING, device=cpu, seed=4)
    assert texts != Generator("joy", open_directory(tiny_gpt2, cpu), {}).sample(8, DECODING, device=cpu, seed=3)


def test_a_generator_notes_what_made_it(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    directory = saved(tune(tiny_gpt2, joy, tuned_by("lora"), cpu, store), tmp_path / "joy")
    notes = json.loads((directory / "generator.json").read_text())
    assert {name: notes[name] for name in ("label", "base", "tuning", "texts")} == {
        "label": "joy",
        "base": "scratch",
        "tuning": "lora",
        "texts": 40,
    }
    assert notes["log"]["steps"] == 3


def test_adapters_are_saved_without_the_base(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    from safetensors import safe_open

    directory = saved(tune(tiny_gpt2, joy, tuned_by("lora"), cpu, store), tmp_path / "joy")
    weights = list(directory.glob("**/*.safetensors"))
    assert [file.name for file in weights] == ["adapter_model.safetensors"]
    with safe_open(weights[0], "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    assert all(".lora_A." in name or ".lora_B." in name for name in tensors)
    # Rank 2 on the four layers of one block: 2 * (32 + 96), 2 * (32 + 32), 2 * (32 + 128), 2 * (128 + 32).
    assert sum(tensor.numel() for tensor in tensors.values()) == 1024
    assert weights[0].stat().st_size < 0.05 * (tiny_gpt2 / "model.safetensors").stat().st_size


def test_adapters_name_their_base_as_the_parameters_do(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    directory = saved(tune(tiny_gpt2, joy, tuned_by("lora"), cpu, store), tmp_path / "joy")
    config = json.loads((directory / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "scratch"
    for file in directory.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
        assert str(tiny_gpt2).encode() not in file.read_bytes()
    assert config["target_modules"] == sorted(config["target_modules"])


# --- the base -----------------------------------------------------------------------------------------------------


def test_a_pretrained_base_is_pointed_to(tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints) -> None:
    base, log = prepare_base(joy, tuned_by("lora", str(tiny_gpt2)), device=cpu, checkpoints=store)
    assert base == Reference(str(tiny_gpt2))
    assert log.steps == 0


@pytest.mark.parametrize("tuning", EVERY)
def test_a_generator_on_a_reference_opens_without_it(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints, tuning: str
) -> None:
    options = tuned_by(tuning, str(tiny_gpt2))
    base = saved(prepare_base(joy, options, device=cpu, checkpoints=store)[0], tmp_path / "base")
    generator = tune(base, joy, options, cpu, store)
    opened = load_generator(saved(generator, tmp_path / "joy"), base, cpu)
    assert opened.sample(4, DECODING, device=cpu, seed=0) == generator.sample(4, DECODING, device=cpu, seed=0)


@pytest.mark.parametrize("tuning", EVERY)
def test_a_base_is_warmed_up_on_all_labels_before_each_goes_on(
    tmp_path: Path, tiny_gpt2: Path, records: pd.DataFrame, joy: Texts, cpu: Device, tuning: str
) -> None:
    options = tuned_by(tuning, str(tiny_gpt2), warm_up=STEPS.model_copy(update={"steps": 6, "evaluate_every": 6}))
    stores = [Checkpoints(tmp_path / "checkpoints", name, "a1") for name in ("base", "joy")]
    everything = Texts(records["text"].tolist()[::2], records["text"].tolist()[1::20])
    warm, log = prepare_base(everything, options, device=cpu, checkpoints=stores[0])
    assert log.steps == 6
    base = saved(warm, tmp_path / "base")

    encoded = open_directory(tiny_gpt2, cpu).encode(everything.train, max_tokens=24)
    cold, after = (
        model.mean_loss(encoded, device=cpu, batch_size=32)
        for model in (open_directory(tiny_gpt2, cpu), open_directory(base, cpu))
    )
    assert after < cold

    generator = tune(base, joy, options, cpu, stores[1])
    opened = load_generator(saved(generator, tmp_path / "joy"), base, cpu)
    assert opened.sample(4, DECODING, device=cpu, seed=0) == generator.sample(4, DECODING, device=cpu, seed=0)
    own = open_directory(base, cpu).encode(joy.train, max_tokens=24)
    assert opened.language_model.mean_loss(own, device=cpu, batch_size=32) < open_directory(base, cpu).mean_loss(
        own, device=cpu, batch_size=32
    )


def test_a_warm_base_of_adapters_gives_generators_the_same_adapters(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    options = tuned_by("lora", str(tiny_gpt2), warm_up=STEPS)
    warm, _ = prepare_base(joy, options, device=cpu, checkpoints=store)
    base = saved(warm, tmp_path / "base")
    assert not list(base.glob("**/model*.safetensors"))
    before = dict(open_directory(base, cpu).model.named_parameters())
    generator = tune(base, joy, options, cpu, Checkpoints(tmp_path / "checkpoints", "joy", "a1"))
    after = dict(generator.language_model.model.named_parameters())
    assert before.keys() == after.keys()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        name for name in before if "lora_" in name
    }


def test_a_generator_on_warm_adapters_leans_on_the_pretrained_model_alone(
    tmp_path: Path, tiny_gpt2: Path, joy: Texts, cpu: Device, store: Checkpoints
) -> None:
    options = tuned_by("lora", str(tiny_gpt2), warm_up=STEPS)
    base = saved(prepare_base(joy, options, device=cpu, checkpoints=store)[0], tmp_path / "base")
    generator = tune(base, joy, options, cpu, Checkpoints(tmp_path / "checkpoints", "joy", "a1"))
    opened = load_generator(saved(generator, tmp_path / "joy"), tmp_path / "absent", cpu)
    assert opened.sample(4, DECODING, device=cpu, seed=0) == generator.sample(4, DECODING, device=cpu, seed=0)


def test_a_base_from_scratch_carries_generators(tmp_path: Path, joy: Texts, cpu: Device) -> None:
    scratch = ScratchOptions(layers=2, width=32, heads=2, vocabulary=300, training=STEPS)
    options = tuned_by("lora", scratch=scratch)
    stores = [Checkpoints(tmp_path / "checkpoints", name, "a1") for name in ("base", "joy")]
    base = saved(prepare_base(joy, options, device=cpu, checkpoints=stores[0])[0], tmp_path / "base")
    generator = tune(base, joy, options, cpu, stores[1])
    opened = load_generator(saved(generator, tmp_path / "joy"), base, cpu)
    assert opened.sample(4, DECODING, device=cpu, seed=0) == generator.sample(4, DECODING, device=cpu, seed=0)


# --- sampling -----------------------------------------------------------------------------------------------------


def drawn_tokens(generator: Generator, decoding: DecodingOptions, device: Device) -> list[list[int]]:
    """The tokens of 64 samples after the boundary they start from, without the boundaries they end with."""
    rows: list[list[int]] = []
    model = generator.language_model.model
    generate = model.generate

    def spy(**options: Any) -> torch.Tensor:
        drawn = generate(**options)
        rows.extend(drawn[:, 1:].tolist())
        return drawn

    model.generate = spy
    try:
        generator.sample(64, decoding, device=device, seed=0)
    finally:
        del model.generate
    boundary = generator.language_model.boundary
    return [row[: row.index(boundary)] if boundary in row else row for row in rows]


@pytest.mark.parametrize(("least", "most"), [(0, 6), (4, 9), (7, 7)])
def test_as_many_tokens_as_asked_for(tiny_gpt2: Path, cpu: Device, least: int, most: int) -> None:
    language_model = open_directory(tiny_gpt2, cpu)
    # The tied embedding of the boundary, made to look like everything: texts want to end at once.
    language_model.model.lm_head.bias = torch.nn.Parameter(torch.zeros(len(language_model.tokenizer)))
    language_model.model.lm_head.bias.data[language_model.boundary] = 4.0
    decoding = DecodingOptions(min_new_tokens=least, max_new_tokens=most)
    lengths = {len(row) for row in drawn_tokens(Generator("joy", language_model, {}), decoding, cpu)}
    assert (min(lengths), max(lengths)) == (least, most)


def test_texts_have_neither_special_tokens_nor_outer_space(tiny_gpt2: Path, cpu: Device) -> None:
    generator = Generator("joy", open_directory(tiny_gpt2, cpu), {})
    texts = generator.sample(64, DecodingOptions(min_new_tokens=1, max_new_tokens=12), device=cpu, seed=0)
    assert len(texts) == 64
    assert len(set(texts)) > 32
    assert not any("<|" in text or text != " ".join(text.split()) for text in texts)


def test_sampling_leaves_the_seed_to_the_caller(tiny_gpt2: Path, cpu: Device) -> None:
    generator = Generator("joy", open_directory(tiny_gpt2, cpu), {})
    first, again, other = (generator.sample(6, DECODING, device=cpu, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_low_temperature_repeats_itself(tiny_gpt2: Path, cpu: Device) -> None:
    generator = Generator("joy", open_directory(tiny_gpt2, cpu), {})
    cold, hot = (
        set(generator.sample(32, DECODING.model_copy(update={"temperature": temperature}), device=cpu, seed=0))
        for temperature in (1e-4, 1.0)
    )
    assert len(cold) < 4
    assert len(hot) > 28


PROBABILITIES = torch.tensor([[0.1, 0.5, 0.05, 0.3, 0.05], [0.9, 0.025, 0.025, 0.025, 0.025]])


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (5, 0.45, [{1}, {0}]),
        (5, 0.75, [{1, 3}, {0}]),
        (5, 0.85, [{1, 3, 0}, {0}]),
        (5, 1.0, [{0, 1, 2, 3, 4}, {0, 1, 2, 3, 4}]),
        (50, 0.75, [{1, 3}, {0}]),
        (1, 1.0, [{1}, {0}]),
        # Among the two likeliest the first has 0.5 / 0.8 = 0.625 of the probability.
        (2, 0.6, [{1}, {0}]),
        (2, 0.65, [{1, 3}, {0}]),
    ],
)
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_k: int, top_p: float, kept: list[set[int]]) -> None:
    scores = PROBABILITIES.log()
    result = nucleus(top_k, top_p)(None, scores)
    assert [set(row.isfinite().nonzero().flatten().tolist()) for row in result] == kept
    assert torch.equal(result[result.isfinite()], scores[result.isfinite()])


@pytest.mark.parametrize(
    ("temperature", "kept"),
    [
        # Squares: the first is 0.25 of 0.355.
        (0.5, {1}),
        (1.0, {1, 3}),
        # Square roots: the first two are 0.707 and 0.548 of 2.018.
        (2.0, {1, 3, 0}),
    ],
)
def test_the_nucleus_is_that_of_the_heated_probabilities(temperature: float, kept: set[int]) -> None:
    scores = PROBABILITIES[:1].log()
    result = nucleus(5, 0.65, temperature=temperature)(None, scores)[0]
    assert set(result.isfinite().nonzero().flatten().tolist()) == kept
    expected = scores[0] / temperature
    assert torch.equal(result[result.isfinite()], expected[result.isfinite()])


def test_the_nucleus_leaves_what_is_given_alone() -> None:
    scores = PROBABILITIES.log()
    nucleus(2, 0.5)(None, scores)
    assert torch.equal(scores, PROBABILITIES.log())
