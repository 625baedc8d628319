from __future__ import annotations

import pandas as pd

from emotion_kedro.text.sampling import thin_out


def table() -> pd.DataFrame:
    labels = ["joy"] * 60 + ["fear"] * 30 + ["love"] * 2
    return pd.DataFrame({"row": range(184), "label": labels * 2, "split": ["test"] * 92 + ["train"] * 92})


def test_labels_keep_their_shares_and_the_other_rows_stay() -> None:
    full = table()
    thin = thin_out(full, full["split"] == "test", 46, seed=0)
    assert thin.loc[thin["split"] == "test", "label"].value_counts().to_dict() == {"joy": 30, "fear": 15, "love": 1}
    assert (thin["split"] == "train").sum() == 92
    assert thin["row"].is_monotonic_increasing


def test_a_rare_label_keeps_a_row() -> None:
    full = table()
    thin = thin_out(full, full["split"] == "test", 10, seed=0)
    assert (thin.loc[thin["split"] == "test", "label"] == "love").sum() == 1


def test_the_seed_decides_and_none_keeps_all() -> None:
    full = table()
    where = full["split"] == "test"
    assert thin_out(full, where, 20, seed=1).equals(thin_out(full, where, 20, seed=1))
    assert not thin_out(full, where, 20, seed=1).equals(thin_out(full, where, 20, seed=2))
    assert thin_out(full, where, None, seed=1).equals(full)
    assert thin_out(full, where, 500, seed=1).equals(full)
