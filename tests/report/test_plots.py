from __future__ import annotations

from io import BytesIO

import pandas as pd
import pytest
from PIL import Image

from emotion_kedro.report import figures
from emotion_kedro.report.plots import accuracy_plot, confusion_plot, differences_plot, labels_plot


def size_of(picture: bytes) -> tuple[int, int]:
    image = Image.open(BytesIO(picture))
    assert image.format == "PNG"
    return image.size


def test_accuracy_by_arm_and_by_size(scores: pd.DataFrame) -> None:
    single = scores[scores["size"] == 10]
    many = pd.concat([scores[scores["arm"] == "real"].assign(arm=f"arm {number}") for number in range(10)] + [scores])
    assert size_of(accuracy_plot(single)) != size_of(accuracy_plot(scores))
    # Ten arms do not fit into one panel.
    assert size_of(accuracy_plot(many))[0] > 1.5 * size_of(accuracy_plot(scores))[0] / 2


def test_all_rows_beside_sizes_are_lines(scores: pd.DataFrame) -> None:
    sized = scores[scores["arm"] != "baseline"]
    whole = sized[sized["size"] == sized["size"].iloc[0]].assign(size=0)
    assert accuracy_plot(pd.concat([scores, whole], ignore_index=True)) != accuracy_plot(scores)


def test_each_comparison_has_a_row(comparisons: pd.DataFrame) -> None:
    more = pd.concat([comparisons, *(comparisons.assign(first=f"arm {number}") for number in range(10))])
    assert size_of(differences_plot(more))[1] > size_of(differences_plot(comparisons))[1] + 10 * 30


@pytest.mark.parametrize("arms", [(), ("<b>",), ("absent",)])
def test_confusion(confusion: pd.DataFrame, arms: tuple[str, ...]) -> None:
    assert size_of(confusion_plot(confusion, arms))[0] > 200


def test_confusion_is_of_the_largest_size_that_its_learner_was_run_at(confusion: pd.DataFrame) -> None:
    larger = confusion.assign(learner="another", size=10 * int(confusion["size"].max()))
    picture = confusion_plot(pd.concat([confusion, larger], ignore_index=True))
    assert picture == confusion_plot(confusion)


def test_labels_with_dollars_are_no_mathematics(confusion: pd.DataFrame, scores: pd.DataFrame) -> None:
    named = {"anger": "$10%-$20%", "joy": "$$"}
    assert size_of(confusion_plot(confusion.replace({"label": named, "predicted": named})))[0] > 200


def test_of_very_many_labels_the_plot_is_no_larger() -> None:
    labels = [f"label {number}" for number in range(150)]
    rows = [("x", "real", "encoder", 0, label, labels[0], 1.0) for label in labels]
    rows += [("x", "real", "encoder", 0, labels[0], label, 1.0) for label in labels[1:]]
    rows += [("x", "real", "encoder", 0, one, other, 0.0) for one in labels[1:] for other in labels[1:]]
    names = ["experiment", "arm", "learner", "size", "label", "predicted", "rows"]
    assert max(size_of(confusion_plot(pd.DataFrame(rows, columns=names)))) < 4000


def test_tables_without_rows(scores: pd.DataFrame, comparisons: pd.DataFrame, confusion: pd.DataFrame) -> None:
    for picture in (
        accuracy_plot(scores.iloc[:0]),
        differences_plot(comparisons.iloc[:0]),
        confusion_plot(confusion.iloc[:0]),
    ):
        width, height = size_of(picture)
        assert min(width, height) > 0


def test_same_tables_give_the_same_bytes(scores: pd.DataFrame) -> None:
    assert accuracy_plot(scores) == accuracy_plot(scores)


def test_each_label_has_a_row_and_each_pair_a_panel(comparisons: pd.DataFrame) -> None:
    pair = comparisons.iloc[[0]].assign(size=0)
    gains = pd.concat([pair.assign(label=f"label {number}", difference=number / 10) for number in range(12)])
    few, several = gains.iloc[:2], pd.concat([gains, *(gains.assign(first=f"arm {number}") for number in range(5))])
    assert size_of(labels_plot(gains))[1] > size_of(labels_plot(few))[1] + 9 * 30
    # Three panels and no more, below each other: a telephone is narrow.
    assert 2.5 < size_of(labels_plot(several))[1] / size_of(labels_plot(gains))[1] < 3.2
    assert size_of(labels_plot(several))[0] <= 800 * figures.SHARPNESS
    # Pairs without a difference are not drawn.
    zero = gains.assign(first="other", difference=0.0, low=0.0, high=0.0)
    assert labels_plot(pd.concat([zero, gains])) == labels_plot(pd.concat([gains, zero]))
    nothing, rounding = (gains.assign(difference=value, low=value, high=value) for value in (0.0, 1e-19))
    assert labels_plot(rounding) == labels_plot(nothing)


def test_letters_that_no_font_has_are_said_once_and_warn_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(figures, "FONTS", ())
    figures.empty_plot("很好")
    figures.empty_plot("plain")

    assert caplog.text.count("no font here has Chinese letters") == 1
    assert not [each for each in recwarn if "Glyph" in str(each.message)]
