"""What the label field of a raw table says: one label or several, by name or by number, in the words of a taxonomy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emotion_kedro.options import SourceOptions
from emotion_kedro.taxonomy import LABELS


@dataclass(frozen=True)
class LabelReading:
    """One field, read."""

    target: str | None
    """A label of :mod:`emotion_kedro.taxonomy`; None: the row has no place among the records."""
    several: bool = False
    """Whether the field holds several labels, none of them unknown."""
    unknown: str | None = None
    """The first label that is in no map, as the field writes it."""


class LabelReader:
    """Reads the label fields of one source; each different field is read once."""

    def __init__(self, source: SourceOptions) -> None:
        self._source = source
        self._targets: Mapping[str, str] = {label: label for label in LABELS} | source.label_map
        self._known: dict[str, LabelReading] = {}

    def __call__(self, field: str) -> LabelReading:
        """Return what the field says under the source's options.

        A label that stands twice in a field counts once. An unknown label makes the whole field unknown, whatever
        becomes of rows with several labels.
        """
        if field not in self._known:
            self._known[field] = self._read(field)
        return self._known[field]

    def _read(self, field: str) -> LabelReading:
        separator = self._source.label_separator
        labels = list(dict.fromkeys(field.split(separator) if separator else [field]))
        targets = [self._target(label) for label in labels]
        for label, target in zip(labels, targets, strict=True):
            if target is None:
                return LabelReading(None, unknown=label)
        if len(labels) == 1:
            return LabelReading(targets[0])
        rule = self._source.several_labels
        kept = rule == "first" or (rule == "agree" and len(set(targets)) == 1)
        return LabelReading(targets[0] if kept else None, several=True)

    def _target(self, label: str) -> str | None:
        names = self._source.label_names
        if names is None:
            return self._targets.get(label)
        # isdecimal takes digits of other scripts too, and int() would read " 3" and "+3".
        if not (label.isascii() and label.isdecimal()) or int(label) >= len(names):
            return None
        return self._targets.get(names[int(label)])
