from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_pieces import split_of

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.study import writers
from emotion_kedro.learning.study.store import SECONDS, Store
from emotion_kedro.learning.study.writers import BASES, KINDS, WRITTEN, Desk, identity_of, tidy, write
from emotion_kedro.options.study import AskingOptions, WriterOptions
from emotion_kedro.text.draws import Draw
from emotion_kedro.text.held_out import HeldOut

DECODING = {"min_new_tokens": 3, "max_new_tokens": 6, "batch_size": 4}
TRAINING = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3}
SCRATCH = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400}


@pytest.fixture
def rows(records: pd.DataFrame) -> pd.DataFrame:
    split = split_of(records)
    return Draw.of(split[split["split"] == "train"], 0).rows(3)


@pytest.fixture
def desk(records: pd.DataFrame, labels: tuple[str, ...], cpu: Device, tmp_path: Path) -> Desk:
    split = split_of(records)
    held_out = HeldOut(split[split["split"] != "train"])
    unlabelled = split.loc[split["split"] == "train", ["record_id", "text", "group"]].reset_index(drop=True)
    return Desk(labels, held_out, unlabelled, Store(tmp_path / "kept"), cpu, str(tmp_path / "checkpoints"))


@pytest.fixture
def kinds(tiny_gpt2: Path) -> dict[str, WriterOptions]:
    tuning = {"base": str(tiny_gpt2), "tuning": "full", "training": TRAINING, "max_tokens": 32}
    lora = {**tuning, "tuning": "lora", "last_layers": 1, "lora": {"rank": 2, "alpha": 4}}
    asking = {
        "request": "{label} like {examples}",
        "neutral": "like {examples}",
        **{"guidance": 1.5, "examples": 1, "prefix_words": 2, "requests": 3},
    }
    values: dict[str, dict[str, Any]] = {
        "per_label": {"kind": "per_label", "tuning": lora},
        "conditioned": {"kind": "conditioned", "tuning": tuning},
        "asked": {"kind": "asked", "base": str(tiny_gpt2), "asking": asking},
        "scratch": {
            "kind": "per_label",
            "unlabelled": TRAINING,
            "tuning": {**tuning, "base": "scratch", "scratch": SCRATCH},
        },
    }
    return {
        name: WriterOptions.model_validate({"texts": 6, "decoding": DECODING, **value})
        for name, value in values.items()
    }


NAMES = ("per_label", "conditioned", "asked", "scratch")


def say(monkeypatch: pytest.MonkeyPatch, kind: str, texts: dict[str, list[str]]) -> list[int]:
    """Let a kind of writer say ``texts``; return the list to which each time it is asked is added."""
    asked: list[int] = []

    def told(*_: object) -> dict[str, list[str]]:
        asked.append(1)
        return texts

    monkeypatch.setitem(KINDS, kind, told)
    return asked


@pytest.mark.parametrize("name", NAMES)
def test_each_kind_writes_for_every_label_and_the_seed_decides(
    name: str, rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, tmp_path: Path
) -> None:
    table = write(name, rows, kinds[name], desk, seed=1)
    assert list(table) == ["text", "label"]
    counts = table["label"].value_counts()
    assert set(counts.index) == set(desk.labels)
    assert counts.max() <= 6
    assert len(table) > 12
    assert table["text"].str.contains(r"\w").all()
    assert not desk.held_out.copies(table["text"].tolist()).any()
    anew = replace(desk, store=Store(tmp_path / "other"))
    pd.testing.assert_frame_equal(write(name, rows, kinds[name], anew, seed=1), table)
    assert write(name, rows, kinds[name], anew, seed=2)["text"].tolist() != table["text"].tolist()
    assert not list(Path(desk.checkpoints).glob("*/*"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_not_written_again(
    name: str, rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(name, rows, kinds[name], desk, seed=1)
    asked = say(monkeypatch, kinds[name].kind, {"joy": ["something else"]})
    pd.testing.assert_frame_equal(write(name, rows, kinds[name], desk, seed=1), first)
    # Its name is no part of what a writer writes, nor is the record's id.
    pd.testing.assert_frame_equal(
        write("called otherwise", rows.assign(record_id="x"), kinds[name], desk, seed=1), first
    )
    assert asked == []
    kept = desk.store.load(WRITTEN, identity_of(rows, kinds[name], desk, 1))
    assert kept is not None
    assert kept.attrs[SECONDS] > 0


Change = Callable[[pd.DataFrame, WriterOptions, Desk], tuple[pd.DataFrame, WriterOptions, Desk, int]]
CHANGES: dict[str, Change] = {
    "rows": lambda rows, options, desk: (rows.iloc[1:], options, desk, 1),
    "their labels": lambda rows, options, desk: (rows.assign(label=rows["label"].to_numpy()[::-1]), options, desk, 1),
    "options": lambda rows, options, desk: (rows, options.model_copy(update={"texts": 5}), desk, 1),
    "the seed": lambda rows, options, desk: (rows, options, desk, 2),
    "labels": lambda rows, options, desk: (rows, options, replace(desk, labels=desk.labels[:2]), 1),
    "unlabelled texts": lambda rows, options, desk: (
        rows,
        options,
        replace(desk, unlabelled=desk.unlabelled.iloc[1:]),
        1,
    ),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_other_inputs_are_written_anew(
    what: str, rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = kinds["scratch"]
    asked = say(monkeypatch, "per_label", {"joy": ["something"]})
    write("scratch", rows, options, desk, seed=1)
    other_rows, other_options, other_desk, seed = CHANGES[what](rows, options, desk)
    write("scratch", other_rows, other_options, other_desk, seed=seed)
    assert len(asked) == 2


def test_unlabelled_texts_are_no_matter_to_who_does_not_read_them(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk
) -> None:
    other = replace(desk, unlabelled=desk.unlabelled.iloc[1:])
    assert identity_of(rows, kinds["asked"], desk, 1) == identity_of(rows, kinds["asked"], other, 1)


def test_the_base_is_made_once_for_all_rows_and_seeds(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []
    prepare = writers.prepare_base

    def counted(texts: Any, *given: Any, **named: Any) -> Any:
        made.append(tuple(texts.train))
        return prepare(texts, *given, **named)

    monkeypatch.setattr(writers, "prepare_base", counted)
    write("scratch", rows, kinds["scratch"], desk, seed=1)
    write("scratch", rows.iloc[1:], kinds["scratch"], desk, seed=2)
    assert made == [tuple(desk.unlabelled["text"])]
    assert len(list((desk.store.folder / BASES).iterdir())) == 1
    write("scratch", rows, kinds["scratch"], replace(desk, unlabelled=desk.unlabelled.iloc[1:]), seed=1)
    assert len(made) == 2


def test_a_base_that_another_run_made_in_the_meantime_is_taken(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = writers.prepare_base
    inner: list[pd.DataFrame] = []

    def overtaken(*given: Any, **named: Any) -> Any:
        if not inner:
            inner.append(pd.DataFrame())
            inner.append(write("scratch", rows, kinds["scratch"], desk, seed=2))
        return prepare(*given, **named)

    monkeypatch.setattr(writers, "prepare_base", overtaken)
    assert len(write("scratch", rows, kinds["scratch"], desk, seed=1)) > 12
    (base,) = (desk.store.folder / BASES).iterdir()
    assert (base / "model.safetensors").is_file()


def test_texts_without_words_and_copies_of_held_out_texts_are_thrown_away(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = "nobody saw that she was furious and shouting with my sister in the kitchen"
    guard = HeldOut(pd.DataFrame({"record_id": ["t:1"], "text": [held], "group": [1]}))
    said = {
        "joy": ["", "...", " ", "fine"],
        "fear": [held, held.upper() + "!", held.replace("kitchen", "garden"), "no"],
    }
    say(monkeypatch, "asked", said)
    table = write("asked", rows, kinds["asked"], replace(desk, held_out=guard), seed=1)
    assert table.to_numpy().tolist() == [["fine", "joy"], ["no", "fear"]]
    nothing = say(monkeypatch, "asked", {"joy": ["?"]})
    empty = write("asked", rows, kinds["asked"], desk, seed=9)
    assert nothing == [1]
    assert empty.empty
    assert list(empty) == ["text", "label"]


def test_kept_texts_are_looked_at_again_when_other_rows_are_held_out(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = say(monkeypatch, "asked", {"joy": ["a fine day it was", "rain again"]})
    assert len(write("asked", rows, kinds["asked"], desk, seed=1)) == 2
    guard = HeldOut(pd.DataFrame({"record_id": ["t:1"], "text": ["Rain, again!"], "group": [1]}))
    table = write("asked", rows, kinds["asked"], replace(desk, held_out=guard), seed=1)
    assert table["text"].tolist() == ["a fine day it was"]
    assert asked == [1]


@pytest.mark.parametrize("name", NAMES)
def test_a_label_without_rows_is_not_written_for(
    name: str, rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk
) -> None:
    table = write(name, rows[rows["label"] != "fear"], kinds[name], desk, seed=1)
    assert set(table["label"]) == set(desk.labels) - {"fear"}


def test_what_is_asked_shows_train_rows_of_the_label_and_begins_with_their_words(
    rows: pd.DataFrame, kinds: dict[str, WriterOptions], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(kinds["asked"].base)
    said: list[list[str]] = []

    def listen(_model: Any, requests: Any, _decoding: Any, **options: Any) -> list[list[int]]:
        assert options["guidance"] == 1.5
        assert all(one.neutral is not None for one in requests)
        said.append([tokenizer.decode(list(one.ids)) for one in requests])
        return [tokenizer(" and so on")["input_ids"] for _ in requests]

    monkeypatch.setattr(writers, "sample_answers", listen)
    table = write("asked", rows, kinds["asked"], desk, seed=3)
    texts = {label: set(group["text"]) for label, group in rows.groupby("label")}
    begins = {label: {" ".join(text.split()[:2]) for text in some} for label, some in texts.items()}
    for row in table.itertuples():
        assert row.text.removesuffix(" and so on") in begins[row.label]
    # Two batches (4 and 2) of each label's six texts; three different requests, two texts of each, side by side.
    assert [len(batch) for batch in said] == [4, 2] * 4
    for number, label in enumerate(desk.labels):
        batch = [*said[2 * number], *said[2 * number + 1]]
        assert batch[0::2] == batch[1::2]
        for request in batch:
            assert request.startswith(f"{label} like - ")
            assert any(text in request for text in texts[label])
            assert request.endswith(tuple(begins[label]))
            others = set.union(*(some for other, some in texts.items() if other != label))
            assert not any(text in request for text in others)


def test_a_request_shows_as_many_examples_as_there_are_and_no_label_in_the_neutral_one() -> None:
    options = AskingOptions(
        request="{label}:\n{examples}\n!", neutral="any:\n{examples}\n?", examples=3, prefix_words=2, guidance=2.0
    )
    asked = writers.request_for("joy", ["one two three", "four {label} five"], options, np.random.default_rng(0))
    assert sorted(asked.request.splitlines()[1:3]) == ["- four {label} five", "- one two three"]
    assert asked.request.splitlines()[0] == "joy:"
    assert asked.request.splitlines()[3] == "!"
    assert asked.neutral == asked.request.replace("joy:", "any:").replace("!", "?")
    assert asked.prefix in {"one two", "four {label}"}


def test_a_chat_template_goes_around_the_request_and_the_prefix_after_it(tiny_gpt2: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_gpt2)
    asked = writers.Asked("say it", "say that", "well now")
    options = AskingOptions(request="{label}", neutral="x", guidance=2.0)
    plain = writers.encode_request(tokenizer, asked, options)
    assert (tokenizer.decode(plain.ids), tokenizer.decode(plain.neutral)) == ("say itwell now", "say thatwell now")
    tokenizer.chat_template = "{% for m in messages %}U:{{ m.content }} {% endfor %}A:"
    chat = writers.encode_request(tokenizer, asked, options)
    assert tokenizer.decode(chat.ids) == "U:say it A:well now"
    assert tokenizer.decode(chat.neutral) == "U:say that A:well now"
    unguided = writers.encode_request(tokenizer, asked, options.model_copy(update={"guidance": 1.0}))
    assert unguided.neutral is None
    without = writers.encode_request(tokenizer, asked, options.model_copy(update={"chat": False}))
    assert without == plain


@pytest.mark.parametrize(
    ("answer", "tidied"),
    [
        ("\n  - I am  fine.\nAnother line", "I am fine."),
        ('"Quoted, and done"', "Quoted, and done"),
        ("\u201ccurly\u201d", "curly"),
        ("-dash without a space", "-dash without a space"),
        ("  \n ", ""),
    ],
)
def test_an_answer_is_its_first_line_without_ornament(answer: str, tidied: str) -> None:
    assert tidy(answer) == tidied


def test_a_new_line_ends_an_answer(tiny_gpt2: Path, cpu: Device) -> None:
    from emotion_kedro.learning.language_models import load_language_model

    language_model = load_language_model(str(tiny_gpt2), cpu)
    ends = writers.ends_of(language_model)
    assert language_model.boundary in ends
    assert language_model.tokenizer("a\nb")["input_ids"][1] in ends
    assert language_model.tokenizer(" a b")["input_ids"][0] not in ends
