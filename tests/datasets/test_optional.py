from __future__ import annotations

from pathlib import Path

from emotion_kedro.datasets import OptionalJSON


def test_what_is_not_there_loads_as_nothing_and_what_is_there_as_it_is(tmp_path: Path) -> None:
    dataset = OptionalJSON(filepath=str(tmp_path / "findings.json"))
    assert dataset.load() is None
    dataset.save([{"system": "S1"}])
    assert dataset.load() == [{"system": "S1"}]
