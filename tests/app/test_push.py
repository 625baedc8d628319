"""What goes to a hub: no sentence of a data set, and nothing at all without a licence or a token."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard

from emotion_kedro.app import push
from emotion_kedro.cli import cli
from emotion_kedro.models.cards import adapter_card, classifier_card, masked_base_card
from emotion_kedro.report.page import render

REAL = 'she said "nobody came", and cried'
NOTES = {"name": "x.real", "base": "minilm", "rows": {"real": 3}, "training": None, "seed": 0, "labels": ["joy"]}
SHIPPED = ["README.md", "classifier.json", "config.json", "model.safetensors"]


def called(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["push", *words, "--to", "me/mine"])
    return result.exit_code, result.output


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A recommended model: the code of its card reads a row of a data set."""
    folder = tmp_path / "recommended"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    (folder / "classifier.json").write_text(json.dumps(NOTES))
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    for name in ("rows.csv", "predictions.parquet", ".recommended.manifest.json"):
        (folder / name).write_text(REAL)
    usage = f'from transformers import pipeline\n\npipeline("t", model="data/x")({json.dumps(REAL)}, truncation=True)'
    example = {"text": REAL, "answer": "joy (0.98)", "how": "the surest"}
    tables = dict.fromkeys(("scores", "label_scores", "training"), pd.DataFrame({"metric": ["f1"]}))
    chosen = pd.Series({"test_rows": 3, "arm": "real"})
    words = dict.fromkeys(
        ("title", "test_sources", "level", "reason", "calibration", "cleaning", "answers", "training_note"), "-"
    )
    rest = {"size": "-", "base": "-", "sources": "-", "has_neutral": True, "words": [1, 2], "experiment": "x"}
    card = render(
        "card.md.j2",
        **{"header": "tags: [emotion]\n", "usage": usage, "example": example, "chosen": chosen, "labels": ["joy"]},
        **tables,
        **words,
        **rest,
    )
    assert push.EXAMPLE_NOTE in card
    (folder / "README.md").write_text(card)
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """What a run leaves, as the template of its card has it."""
    folder = tmp_path / "texts"
    folder.mkdir()
    row = {"candidate_id": "a", "text": "sunshine,\nagain", "nearest_train_text": REAL, "nearest_train_similarity": 0.5}
    row |= {"copies_train_text": "False"}
    rows = [{**row, "generator": "per_label"}, {**row, "generator": "self_training", "text": REAL}]
    rows += [{**row, "generator": "per_label", "text": f"{REAL.upper()} !", "copies_train_text": "True"}]
    pd.DataFrame(rows).to_csv(folder / "texts.csv", index=False)
    tables = dict.fromkeys(("generators", "filters", "counts", "quality"), pd.DataFrame({"a": ["b"]}))
    words = {"pretty_name": "Texts", "name": "x", "question": "Why?", "data_note": "-", "size_category": "n<1K"}
    words |= {"sources": '["eit", "own"]', "real": '["self_training"]', "real_names": "`self_training`"}
    (folder / "README.md").write_text(render("dataset_card.md.j2", **words, **tables))
    return folder


def test_a_model_goes_up_without_tables_and_without_the_sentence_on_its_card(model: Path, tmp_path: Path) -> None:
    code, shown = called("--model", str(model), "--dry-run")
    assert code == 0, shown
    assert [line.split()[-1] for line in shown.splitlines()[:-1]] == SHIPPED
    assert "2.000 MB  model.safetensors" in shown
    target = tmp_path / "ready"
    target.mkdir()
    push.gather_model(model, target, name="me/mine")
    everything = "".join(file.read_text("utf-8", errors="replace") for file in target.iterdir())
    assert "nobody came" not in everything
    assert push.EXAMPLE_NOTE not in everything
    assert 'pipeline("text-classification", model="me/mine")("your letter' in everything
    (model / "README.md").write_text((model / "README.md").read_text().replace("```python", "~~~"))
    code, shown = called("--model", str(model), "--dry-run")
    assert code == 1
    assert "changed by hand" in shown


def test_texts_go_up_with_a_licence_of_each_source_and_without_real_ones(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "stated_licences", lambda: {"eit": "CC0-1.0"})
    code, shown = called("--texts", str(texts), "--dry-run")
    assert code == 1
    assert "no licence is stated for own, " in shown
    target = tmp_path / "ready"
    target.mkdir()
    push.gather_texts(texts, target, licences={"eit": "CC0-1.0", "own": "MIT"})
    everything = "".join(file.read_text("utf-8") for file in target.iterdir())
    assert "nobody came" not in everything
    assert "nearest_train_text" not in everything
    assert "Sources: eit (CC0-1.0), own (MIT)." in everything
    assert "The texts of `self_training` are real**, or nearly, and are left out here." in everything
    sent = pd.read_csv(target / "texts.csv", keep_default_na=False)
    assert sent.to_dict("records") == [
        {
            "candidate_id": "a",
            "text": "sunshine,\nagain",
            "nearest_train_similarity": 0.5,
            "copies_train_text": False,
            "generator": "per_label",
        }
    ]
    # Those of an older run say nothing of it.
    pd.read_csv(texts / "texts.csv").drop(columns="copies_train_text").to_csv(texts / "texts.csv", index=False)
    with pytest.raises(ValueError, match="which texts copy train texts: run evaluation again"):
        push.gather_texts(texts, target, licences={"eit": "CC0-1.0", "own": "MIT"})


def test_licences_stand_in_the_project_and_none_is_stated_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push.stated_licences() == {}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="run this in its folder"):
        push.stated_licences()


def test_nothing_is_sent_without_a_token_and_new_repositories_are_private(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    calls: list[tuple[str, dict[str, object]]] = []

    class Hub:
        commit_url = "https://hub/me/mine"

        def create_repo(self, name: str, **given: object) -> None:
            calls.append((name, given))

        def upload_folder(self, **given: object) -> Hub:
            calls.append((str(sorted(file.name for file in Path(str(given["folder_path"])).iterdir())), given))
            return self

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    code, shown = called("--model", str(model))
    assert code == 1
    assert shown.splitlines()[-1] == "Error: there is no token of a hub: hf auth login, or set HF_TOKEN"
    assert calls == []
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    code, shown = called("--model", str(model))
    assert code == 0, shown
    assert "secret" not in shown
    assert shown.splitlines()[-1] == Hub.commit_url
    assert calls[0] == ("me/mine", {"repo_type": "model", "private": True, "exist_ok": True})
    assert calls[1][0] == str(SHIPPED)


@pytest.mark.parametrize(
    "card",
    [
        classifier_card(["joy"], NOTES),
        masked_base_card("scratch", {}),
        adapter_card("minilm"),
        adapter_card(None),
    ],
)
def test_cards_have_a_head_that_hubs_read(card: str) -> None:
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert "emotion-kedro" in (data.tags or [])
    assert ModelCard.from_template(data, template_str="---\n{{ card_data }}\n---").data.to_dict() == data.to_dict()
