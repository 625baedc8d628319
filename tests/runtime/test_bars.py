"""How far work is that takes long."""

from __future__ import annotations

import logging

import pytest

from emotion_kedro.runtime import bars


def test_lines_say_now_and_then_how_many_texts_are_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter((0.0, 4.0, 12.0, 13.0, 23.0))
    monkeypatch.setattr(bars.time, "perf_counter", lambda: next(clock))
    more = bars.lines("answers to", 90)
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            more(20)
    assert caplog.messages == ["answers to 40 of 90 texts, 3.33 texts/s", "answers to 80 of 90 texts, 3.48 texts/s"]
