"""A trained model as its users see it, in Python and in a terminal."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, DatasetError
from killing import kill_in_the_middle

from emotion_kedro.app import EmotionModel, files, load_model, models_in
from emotion_kedro.app.commands import _lines
from emotion_kedro.app.files import predict_file
from emotion_kedro.app.generation import generate_from
from emotion_kedro.app.model import Explanation, Prediction
from emotion_kedro.cli import COMMANDS, cli
from emotion_kedro.config.models import EncoderConfig, LinearConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.whole_files import write_check_sums

JOY, FEAR = "we were laughing and dancing", "she was trembling and hiding"


@pytest.fixture(scope="module")
def folder(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project's folder in which a run has left two models."""
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text("[tool.kedro]\n")
    learner = LinearConfig.model_validate({"kind": "linear", "features": {"kind": "tfidf"}})
    training_set = TrainingSet(records, records.iloc[:0], taxonomy, "linear.real", 0)
    classifier, _ = fit_classifier(training_set, learner, cpu, Cache(project / "cache"))
    for name in ("real", "recommended"):
        directory = project / "data/06_models/latest" / name
        directory.mkdir(parents=True)
        classifier.save(directory)
    return project


@pytest.fixture
def model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> EmotionModel:
    monkeypatch.chdir(folder)
    return load_model()


def test_a_prediction_has_the_likeliest_label_or_none(model: EmotionModel) -> None:
    joy, fear = model.predict([JOY, FEAR])

    assert (joy.label, fear.label) == ("joy", "fear")
    assert sum(joy.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert joy.probability == max(joy.probabilities.values())
    [unsure] = model.predict([JOY], abstain=0.999)
    assert unsure.label is None
    assert unsure.probabilities == joy.probabilities
    assert model.predict([]) == []


def test_a_model_reads_texts_cleaned_as_those_that_it_learned_from(
    model: EmotionModel, cpu: Device, tmp_path: Path
) -> None:
    text = "  so &amp; so, @anna https://example.org/x  glad"
    model.classifier.notes["cleaning"] = ["unescape_html", "drop_links", "mask_mentions", "collapse_space"]
    cleaning = EmotionModel(model.classifier, cpu, model.path)

    assert cleaning.cleaned(text) == "so & so, @user glad"
    assert model.cleaned(text) == text
    (prediction,), (expected,) = cleaning.predict([text]), model.predict(["so & so, @user glad"])
    assert (prediction.text, prediction.probabilities) == (text, expected.probabilities)
    assert [word for word, _ in cleaning.explain(text).words] == ["so", "&", "so,", "@user", "glad"]
    with pytest.raises(ValueError, match="there is nothing to read in it"):
        cleaning.predict(["https://example.org/x"])
    pd.DataFrame({"text": [text, "https://example.org/x"]}).to_csv(tmp_path / "in.csv", index=False)
    assert files.predict_file(cleaning, tmp_path / "in.csv", tmp_path / "out.csv")["empty"] == 1
    assert pd.read_csv(tmp_path / "out.csv")["text"].tolist() == [text, "https://example.org/x"]


def test_what_is_no_list_of_texts_is_refused(model: EmotionModel) -> None:
    with pytest.raises(ValueError, match="list of texts"):
        model.predict(JOY)
    with pytest.raises(ValueError, match="text 2 is '  '"):
        model.predict([JOY, "  "])


def test_an_explanation_names_the_words_that_a_label_rests_on(model: EmotionModel) -> None:
    explanation = model.explain(JOY)

    falls = dict(explanation.words)
    assert list(falls) == JOY.split()
    assert min(falls["laughing"], falls["dancing"]) > max(falls["we"], falls["were"], falls["and"])
    assert model.explain("laughing").words == (("laughing", 0.0),)
    long = model.explain("laughing " * 400)
    assert (len(long.words), long.left) == (300, 100)
    assert [word for word, _ in model.explain("很好 ok").words] == ["很", "好", "ok"]  # no spaces part Chinese words


@pytest.mark.parametrize("kind", ["encoder", "linear"])
def test_the_longest_texts_are_cut_and_say_so(
    kind: str,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    tmp_path: Path,
) -> None:
    read = {"base": str(tiny_encoder), "max_tokens": 12}
    learner: EncoderConfig | LinearConfig = LinearConfig.model_validate(
        {"kind": "linear", "features": {"kind": "encoder", **read}}
    )
    if kind == "encoder":
        training = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3}
        learner = EncoderConfig.model_validate({"kind": "encoder", **read, "training": training})
    fitted, _ = fit_classifier(TrainingSet(records, records.iloc[:0], taxonomy, "e", 0), learner, cpu, cache)
    fitted.save(tmp_path)
    model = load_model(tmp_path)

    short, long = model.predict(["laughing", "laughing " * 600])

    assert (short.cut, long.cut) == (False, True)
    # Ten words and two special tokens are what it reads.
    assert long.probabilities == pytest.approx(model.predict(["laughing " * 10])[0].probabilities, abs=1e-5)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_a_file_gets_a_row_for_each_of_its_rows(model: EmotionModel, ending: str, tmp_path: Path) -> None:
    texts = [JOY, "", FEAR, 'quoted "words", and\nanother line'] * 700  # more than are read at a time
    source, target = tmp_path / "in.parquet", tmp_path / f"out.{ending}"
    pd.DataFrame({"row": range(len(texts)), "post": texts, "label": "=1+1"}).to_parquet(source)
    told: list[int] = []

    counts = predict_file(model, source, target, column="post", progress=told.append)

    read = {
        "csv": pd.read_csv,
        "tsv": lambda file: pd.read_csv(file, sep="\t"),
        "parquet": pd.read_parquet,
        "xlsx": pd.read_excel,
    }
    table = pd.read_json(target, lines=True) if ending == "jsonl" else read[ending](target)
    assert counts == {"rows": 2800, "empty": 700, "abstained": 0, "cut": 0, "bad": 0}
    assert told[-1] == 2800
    assert len(told) > 2
    assert table["row"].tolist() == list(range(1, 2801))
    assert table["row_in"].astype(int).tolist() == list(range(2800))
    assert table["post"].fillna("").tolist() == texts
    assert set(table["label"]) == {"=1+1"}  # in a sheet it is no formula
    assert table["predicted"].fillna("").tolist()[:3] == ["joy", "", "fear"]
    assert table.loc[1, ["probability", "p_joy"]].isna().all()
    np.testing.assert_allclose(table.filter(regex="^p_").iloc[0].sum(), 1.0, atol=1e-6)


def test_a_carriage_return_within_a_text_breaks_no_row(model: EmotionModel, tmp_path: Path) -> None:
    pd.DataFrame({"text": [f"{JOY}\rand more", FEAR]}).to_parquet(tmp_path / "in.parquet")
    predict_file(model, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv")["text"].tolist() == [f"{JOY}\rand more", FEAR]


def test_any_table_that_try_reads_is_predicted_and_bad_rows_are_counted(model: EmotionModel, tmp_path: Path) -> None:
    repeated = [(JOY, "用"), (f"{FEAR},\nand more", "x"), (f"a {JOY}", "用")] * 3
    rows = [(f"{text} {number}", mood) for number, (text, mood) in enumerate(repeated)]
    lines = [f'"{text}",{mood}\n' for text, mood in rows]
    files = {
        "headerless.csv": "".join([*lines[:4], "one,two,three\n", *lines[4:], "alone\n"]),
        "bar.txt": "post|mood\n" + "".join(f'"{text}"|{mood}\n' for text, mood in rows),
        "lines.txt": "".join(f"{text[:20]}, or so\n" for text, _ in rows),
        "objects.json": json.dumps([{"post": text, "mood": mood, "tags": ["a"]} for text, mood in rows]),
    }
    told: dict[str, list[str]] = {}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        told[name] = []
        counts = predict_file(model, tmp_path / name, tmp_path / "out.jsonl", say=told[name].append)
        table = pd.read_json(tmp_path / "out.jsonl", lines=True)
        assert (counts["rows"], counts["bad"]) == (9, 2 if name == "headerless.csv" else 0)
        assert table["predicted"].tolist()[:2] == ["joy", "fear"]
        assert table["row"].tolist()[-1] == (10 if name == "headerless.csv" else 9)
        assert name == "lines.txt" or table.iloc[0, 2] == "用"
    assert sum("2 row(s) cannot be read" in note for note in told["headerless.csv"]) == 1
    (tmp_path / "in.csv").write_text(f"id;post\n1;{JOY}, yes\n")
    assert predict_file(model, tmp_path / "in.csv", tmp_path / "a.csv", column="post")["rows"] == 1


PREDICTS = """
import sys
from emotion_kedro.app import files, load_model
files.PART_ROWS = 75
files.predict_file(load_model(sys.argv[1]), files.Path(sys.argv[2]), files.Path(sys.argv[3]))
"""


def test_a_folder_of_predictions_goes_on_after_a_kill_and_has_each_row_once(
    model: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, whole = tmp_path / "in.csv", tmp_path / "read", tmp_path / "whole.parquet"
    texts = [f"{JOY} {row}" if row % 3 else "" for row in range(2990)]
    pd.DataFrame({"text": texts, "id": "a"}).to_csv(source, index=False)
    monkeypatch.setattr(files, "PART_ROWS", 75)
    kill_in_the_middle(PREDICTS, str(model.path), str(source), str(target), sign=target / "_part-000002.json")
    marked = len(list(target.glob("_part*")))
    assert 3 <= marked < 40
    assert not (target / files.COMPLETE).exists()
    (target / "_part-000001.json").unlink()  # as if it was killed between a part and its mark
    asked: list[str] = []
    ask = model.predict
    monkeypatch.setattr(model, "predict", lambda texts, **options: asked.extend(texts) or ask(texts, **options))

    counts = predict_file(model, source, target)

    assert len(asked) < counts["rows"] - counts["empty"] - (marked - 2) * 50
    assert counts == predict_file(model, source, whole)
    assert counts == {"rows": 2990, "empty": 997, "abstained": 0, "cut": 0, "bad": 0}
    assert json.loads((target / files.COMPLETE).read_text()) == {"parts": 40, **counts}
    assert [path.name for path in target.glob(".*")] == [files.LOCK]
    pd.testing.assert_frame_equal(pd.read_parquet(target), pd.read_parquet(whole))
    asked.clear()
    assert predict_file(model, source, target) == counts
    assert not asked
    (target / "part-000003.parquet").unlink()
    (target / "part-000004.parquet").write_bytes(b"")
    assert predict_file(model, source, target) == counts  # what is not as its mark says is written again
    pd.testing.assert_frame_equal(pd.read_parquet(target), pd.read_parquet(whole))
    with files._alone_in(target), pytest.raises(ValueError, match="another command is writing there"):
        predict_file(model, source, target)
    (tmp_path / "halves").mkdir()  # the same bytes as two files, whose parts end elsewhere
    (tmp_path / "halves" / "a.csv").write_bytes(source.read_bytes())
    (tmp_path / "halves" / "b.csv").write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match="made with another file"):
        predict_file(model, tmp_path / "halves", target)
    with pytest.raises(ValueError, match=r"made with another abstain; give --out the name of a new folder"):
        predict_file(model, source, target, abstain=0.5)
    with pytest.raises(ValueError, match="holds other things than predictions"):
        predict_file(model, source, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_cluster")
def test_workers_of_a_cluster_write_what_one_process_writes_and_go_on_by_part(
    model: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_there = fsspec.filesystem("memory")
    texts = [f"{JOY} {row}" if row % 3 else "" for row in range(300)]
    for name, rows in (("b.csv", texts[130:]), ("a.csv", texts[:130]), ("_notes.csv", ["no text"])):
        with files_there.open(f"/texts/{name}", "w") as stream:
            pd.DataFrame({"text": rows, "id": name}).to_csv(stream, index=False)
    monkeypatch.setattr(files, "PART_ROWS", 40)
    told: list[int] = []

    alone = predict_file(model, "memory://texts", tmp_path / "alone")
    counts = predict_file(model, "memory://texts", tmp_path / "read", cluster="local", progress=told.append)

    assert counts == alone == {"rows": 300, "empty": 100, "abstained": 0, "cut": 0, "bad": 0}
    assert told[-1] == 300
    files_read = {path.name for path in (tmp_path / "read").iterdir()}
    assert files_read == {path.name for path in (tmp_path / "alone").iterdir()}
    one, other = (pd.read_parquet(tmp_path / name) for name in ("alone", "read"))
    pd.testing.assert_frame_equal(other, one, rtol=0, atol=1e-5)
    assert other["row"].tolist() == list(range(1, 301))
    assert json.loads((tmp_path / "read" / files.COMPLETE).read_text()) == {"parts": 9, **counts}
    # Killed after some parts: these stay as they are.
    written = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "read").glob("part-*"))}
    for path in [tmp_path / "read" / files.COMPLETE, *(tmp_path / "read").glob("_part-00000[5-8].json")]:
        path.unlink()
    assert predict_file(model, "memory://texts", tmp_path / "read", cluster="local") == counts
    assert [path.stat().st_mtime_ns == before for path, before in written.items()] == [True] * 5 + [False] * 4
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "read"), one, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"out\.csv: the workers of a cluster write a folder"):
        predict_file(model, "memory://texts", tmp_path / "out.csv", cluster="local")
    with pytest.raises(SourceError, match=r"memory://gone: it cannot be fetched"):
        predict_file(model, "memory://gone", tmp_path / "out")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_parts_that_are_not_seen_here_and_another_model_on_a_worker_stop_the_command(
    model: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text(f"text\n{JOY}\n")
    monkeypatch.setattr(files, "SECONDS_TO_SEE", 0.0)
    monkeypatch.setattr(files, "find_spec", lambda _: True)
    monkeypatch.setattr("emotion_kedro.runners.ray.cluster.connected", lambda *_, **__: nullcontext())
    monkeypatch.setattr(files, "each_elsewhere", lambda _, parts: ((number, {"rows": 1}) for number, _ in parts))
    with pytest.raises(ValueError, match=r"read: part 0 was written by a worker, and is not seen here"):
        predict_file(model, tmp_path / "in.csv", tmp_path / "read", cluster="local")
    assert not (tmp_path / "read" / files.COMPLETE).exists()
    with pytest.raises(ValueError, match="holds another model, on a worker, than the command was given"):
        files._opened(model.path, "0" * 64)


def test_a_folder_notes_the_model_that_wrote_it_whatever_lies_in_its_place_by_now(
    model: EmotionModel, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model.path, copy)
    opened = load_model(copy)
    assert opened.digest == model.digest
    (copy / "other").write_text("laid there when the model was open")
    (tmp_path / "in.csv").write_text(f"text\n{JOY}\n")
    predict_file(opened, tmp_path / "in.csv", tmp_path / "read")
    assert json.loads((tmp_path / "read" / files.MADE_OF).read_text())["model"] == model.digest


def test_a_folder_is_not_complete_while_a_part_is_written_anew(
    model: EmotionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text(f"text\n{JOY}\n")
    predict_file(model, tmp_path / "in.csv", tmp_path / "read")
    (tmp_path / "read" / "part-000000.parquet").write_bytes(b"damaged")
    monkeypatch.setattr(files, "_write_part", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict_file(model, tmp_path / "in.csv", tmp_path / "read")
    assert not (tmp_path / "read" / files.COMPLETE).exists()


@pytest.mark.parametrize("address", ["s3://bucket/read", "gs://bucket/read.csv"])
def test_predictions_go_to_a_disk(model: EmotionModel, tmp_path: Path, address: str) -> None:
    (tmp_path / "in.csv").write_text(f"text\n{JOY}\n")
    with pytest.raises(ValueError, match="is no path on a disk"):
        predict_file(model, tmp_path / "in.csv", Path(address))


def test_messages_hold_no_password_and_no_signature(model: EmotionModel, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:9/texts\.csv: it cannot be fetched") as caught:
        predict_file(model, "http://me:hidden@127.0.0.1:9/texts.csv?sig=hidden", tmp_path / "out")
    assert "hidden" not in str(caught.value)


def test_files_of_a_folder_are_one_table_in_the_order_of_their_names(model: EmotionModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.csv").write_text(f"text,id\n{FEAR},3\n{JOY},4\n")
    (folder / "a.csv").write_text(f"text,id\n{JOY},1\none,two,three\n{FEAR},2\n")

    counts = predict_file(model, folder, tmp_path / "out.csv")

    table = pd.read_csv(tmp_path / "out.csv")
    assert (counts["rows"], counts["bad"]) == (4, 1)
    assert table["row"].tolist() == [1, 3, 4, 5]  # the row that cannot be read counts
    assert table["predicted"].tolist() == ["joy", "fear", "fear", "joy"]


def test_nothing_of_a_folder_is_left_out_without_a_word(model: EmotionModel, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": ["x"]}\n')
    (folder / "b.jsonl").write_text(f'{{"text": "{JOY}"}}\n')
    told: list[str] = []
    counts = predict_file(model, folder, tmp_path / "out.csv", say=told.append)
    assert (counts["rows"], counts["bad"]) == (1, 1)
    assert [note.count("a.jsonl") for note in told if note.startswith("left out")] == [1]
    (folder / "label=joy").mkdir()
    with pytest.raises(SourceError, match=r"folders in it are not read \('?label=joy"):
        predict_file(model, folder, tmp_path / "out.csv")


def test_the_file_that_is_read_is_never_written_over(model: EmotionModel, tmp_path: Path) -> None:
    source = tmp_path / "mine.csv"
    source.write_text("text,mood\nwhat a day,joy\n")
    with pytest.raises(ValueError, match="is the file that is read"):
        predict_file(model, source, tmp_path / "." / "mine.csv")
    for place in (tmp_path, f"file://{source}"):
        with pytest.raises(ValueError, match="is the file that is read"):
            predict_file(model, place, source)
    assert source.read_text() == "text,mood\nwhat a day,joy\n"


def test_a_file_that_cannot_be_read_leaves_nothing(model: EmotionModel, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("post\nhello\n")
    with pytest.raises(SourceError, match=r"in\.csv: there is no column 'text'; the columns are: 'post'"):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", column="text")
    with pytest.raises(ValueError, match="predictions are written as"):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.xls", column="post")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_folder_without_a_model_is_named_with_those_that_there_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert [model.path.name for model in models_in()] == ["recommended", "real"]
    with pytest.raises(ValueError, match=r"nowhere is no folder of a classifier; there are: .*latest/recommended"):
        load_model("nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"this is no project's folder: name the folder of a model"):
        load_model()
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    with pytest.raises(ValueError, match="none was trained here yet: make augment"):
        load_model()


def test_a_damaged_model_is_not_opened(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder / "data/06_models/latest/real", tmp_path / "copy")
    write_check_sums(copy)
    load_model(copy)
    file = max(copy.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"is damaged: {file.name} is not what was written; copy it anew"):
        load_model(copy)


def test_of_a_long_text_its_beginning_is_shown_and_that_its_end_was_not_read() -> None:
    lines = _lines(Prediction("a word " * 99, "joy", 0.9, {"joy": 0.9, "fear": 0.1}, cut=True))
    assert lines[1] == "  longer than the model reads: its end was left out"
    assert max(map(len, lines)) < 350


def test_commands_answer_in_a_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (folder / "notebooks").mkdir(exist_ok=True)
    monkeypatch.chdir(folder / "notebooks")  # anywhere in the project
    run = CliRunner().invoke

    assert run(cli, ["predict", JOY]).output.startswith("joy  0.")
    answer = json.loads(run(cli, ["predict", "--json", "--abstain", "0.999", JOY]).output)
    assert (answer["label"], set(answer["probabilities"])) == (None, {"anger", "fear", "joy", "sadness"})
    assert "fear  0." in run(cli, ["predict"], input=f"{JOY}\n\n{FEAR}\n").output
    assert len(run(cli, ["predict", "--json"], input="a b\x0cc d\r\ne f\u2028g\n").output.split("\n")) == 3
    three = [json.loads(line) for line in run(cli, ["predict", "--json", JOY, " ", FEAR]).output.splitlines()]
    assert [(each["text"], each["label"]) for each in three] == [(JOY, "joy"), (" ", None), (FEAR, "fear")]
    assert "nothing to read in what is given" in run(cli, ["predict", ""]).output
    assert "laughing" in run(cli, ["explain", JOY]).output
    assert run(cli, ["explain", "laughing"]).output.endswith("nothing to compare it with.\n")
    assert "-0.05" in run(cli, ["explain", "it fell by -0.05"]).output.rpartition("\n\n")[2]
    (folder / "data/06_models/latest/real/README.md").write_text("| accuracy | 0.714 (0.500 to 0.929) |\n")
    listed = run(cli, ["models"]).output
    assert "latest/recommended\n    made 20" in listed
    assert "beside it: real (--all)" in listed
    assert "latest/real" not in listed
    listed = run(cli, ["models", "--all"]).output
    assert "beside it" not in listed
    assert "latest/real\n    accuracy 0.714 (0.500 to 0.929); made 20" in listed
    assert max(map(len, listed.replace(str(folder), "").splitlines())) <= 80
    (tmp_path / "in.txt").write_text(JOY)
    before = signal.getsignal(signal.SIGTERM)
    written = run(cli, ["predict", "--in", str(tmp_path / "in.txt"), "--out", str(tmp_path / "out.csv")])
    assert signal.getsignal(signal.SIGTERM) is before  # who calls the command goes on with its own
    assert written.output.splitlines() == ["format: a text a line", f"{tmp_path / 'out.csv'}: 1 row"]


def test_a_word_that_stands_several_times_says_which_it_is() -> None:
    prediction = Prediction("not bad not good", "joy", 0.6, {"joy": 0.6, "anger": 0.4})
    explanation = Explanation(prediction, (("not", 0.1), ("bad", 0.02), ("not", -0.3), ("good", 0.2)))
    assert explanation.heaviest(3) == [("not (2nd)", -0.3), ("good", 0.2), ("not (1st)", 0.1)]


def test_probabilities_have_six_digits(model: EmotionModel) -> None:
    [prediction] = model.predict([JOY])
    for value in (prediction.probability, *prediction.probabilities.values()):
        assert len(str(value)) <= len("0.123456") or value < 1e-4


def test_a_prompted_generator_writes_without_training(
    folder: Path, moods: DataCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    shutil.copytree("data/06_models/latest/recommended", "data/06_models/latest/moods/recommended", dirs_exist_ok=True)

    candidates = generate_from(moods, "joy", 12, experiment="moods")

    assert candidates == generate_from(moods, "joy", 12, experiment="moods", generator="asked")
    assert candidates != generate_from(moods, "joy", 12, experiment="moods", seed=2)
    assert {each.reason for each in candidates} <= {"", "too short", "classifier disagrees", "classifier unsure"}
    assert {each.kept for each in candidates if each.reason == "too short"} == {False}
    # Each filter is asked alone, in the arm's order; nobody has reviewed what was written just now.
    for each in candidates:
        assert list(each.by_filter) == ["reviewed", "length", "label_agreement"]
        assert each.by_filter["reviewed"] is None
        assert next(filter(None, each.by_filter.values()), "") == each.reason
    assert any(all(list(each.by_filter.values())[1:]) for each in candidates)
    with pytest.raises(ValueError, match="moods has no generator tuned that is ready; it has asked"):
        generate_from(moods, "joy", 1, experiment="moods", generator="tuned")
    shutil.rmtree("data/06_models/latest/moods")  # none has run: nobody reads, so that nobody refuses
    unread = generate_from(moods, "joy", 12, experiment="moods")
    assert all(np.isnan(each.probability) for each in unread)
    assert {each.reason for each in unread} <= {"", "too short"}
    assert {each.by_filter["label_agreement"] for each in unread} == {None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict"], "give a text"),
        (["predict", "--in", "a.csv"], "--out is missing: where its predictions go"),
        (["predict", "--in", "a.csv", "--out", "b.csv", "a text"], "give either texts or --in, not both"),
        (["predict", __file__], "test_app.py is a file: --in "),
        (["predict", "--in", "a.csv", "--out", "b.csv"], "a.csv: no such file"),
        (["predict", "--in", "a" * 300, "--out", "b.csv"], "no such file"),
        (["predict", "--model", "nowhere", "x"], "nowhere is no folder of a classifier"),
        (["predict", "--abstain", "2", "x"], "2.0 is not in the range"),
        (["explain", " "], "there is nothing to read in it"),
        (["predct", "x"], "No such command 'predct'"),
    ],
)
def test_mistakes_end_with_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(cli, words, input="")

    assert result.exit_code in (1, 2)
    assert said in result.output
    assert "Traceback" not in result.output


def test_lines_that_are_no_text_and_a_damaged_generator_end_with_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*args: object, **options: object) -> None:
        raise DatasetError("its weights are damaged")

    monkeypatch.chdir(folder)
    run = CliRunner().invoke
    assert "Error: line 2 of standard input is not UTF-8: b'\\xe9'" in run(cli, ["predict"], input=b"a\nb\xe9\n").output
    monkeypatch.setattr("emotion_kedro.app.generation.generate", damaged)
    assert run(cli, ["generate", "--label", "joy"]).output == "Error: its weights are damaged\n"


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from emotion_kedro.cli import cli;"
        "out = CliRunner().invoke(cli, ['--help']).output; assert 'predict' in out, out;"
        "print(sorted({'torch', 'pandas', 'kedro', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert process.stdout.strip() == "[]"
    assert set(COMMANDS) == {
        *("try", "predict", "explain", "generate", "app", "archive", "data", "export", "models", "plan", "push", "run"),
        "status",
    }


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_command_has_help_with_an_example_wherever_it_is_asked(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no project
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0, result.output
    assert re.search(rf"^ +(kedro|emotion) {command}|\| emotion {command}", result.output, re.MULTILINE), result.output


def test_predicting_imports_neither_tables_nor_pipelines() -> None:
    program = (
        "import sys, emotion_kedro.app, emotion_kedro.models.classifiers.encoder, emotion_kedro.models.features;"
        "print(sorted({'pandas', 'kedro', 'sklearn', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
