"""A JSON document that may not have been made yet."""

from __future__ import annotations

from typing import Any

from emotion_kedro.datasets.whole_file import JSONDataset


class OptionalJSON(JSONDataset):
    """A JSON document; loads as None where there is none, so that a page can be written of whatever is there."""

    def load(self) -> Any:
        """Return the document, or None."""
        return super().load() if self.exists() else None
