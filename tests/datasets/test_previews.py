"""What kedro-viz shows of tables and pages."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from emotion_kedro.datasets.previews import PREVIEWED_ROWS, preview_table, preview_text


def test_a_table_begins_with_its_texts_and_ends_with_names() -> None:
    table = pd.DataFrame(
        {
            "experiment": "augment",
            "candidate_id": ["a", "b", *"c" * PREVIEWED_ROWS],
            "probability": [0.123456, np.nan, *[1.0] * PREVIEWED_ROWS],
            "text": "one",
            "made": pd.Timestamp("2030-01-01"),
        }
    )
    shown = preview_table(table)
    assert shown["columns"] == ["text", "probability", "made", "experiment", "candidate_id"]
    assert shown["data"][0] == ["one", 0.1235, "2030-01-01T00:00:00.000", "augment", "a"]
    assert shown["data"][1][1] is None
    assert len(shown["data"]) == PREVIEWED_ROWS
    assert json.dumps(shown, allow_nan=False)


def test_pages_are_shown_as_they_are_meant() -> None:
    page = (
        "<html><head><title>t</title></head><body>\n<h1>Yes</h1>\n<pre>per_label, no_filter\nnext</pre>\n</body></html>"
    )
    shown = preview_text(page, ".html")
    assert "<h1>Yes</h1>" in shown
    assert "<title>" not in shown
    # kedro-viz takes a pair of underscores in a line for italics; between those two a line ends, for it alone.
    assert "per_\u2028label, no_\u2028filter" in shown
    assert shown.count("\n") == 1
    card = "---\nlicense: other\n---\n\n# Texts\n\n![plot](augment.png)\n\n**All** synthetic."
    assert preview_text(card, ".md") == "# Texts\n\n**All** synthetic."
    assert preview_text("a  <b>\n  c & d", ".txt") == "<pre>a  &lt;b&gt;\n  c &amp; d</pre>"
