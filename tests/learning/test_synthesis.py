from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.learning.checkpoints import TableParts
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.synthesis import Sieve, draw_candidates
from emotion_kedro.options import DecodingOptions, FilterOptions, SynthesisOptions
from emotion_kedro.schemas import Candidates
from emotion_kedro.text.filters import COPY, DISAGREES, DUPLICATE, KEPT, SURPLUS, TOO_SHORT, UNSURE, TextFilter

TRAIN = ["the whole street was laughing at the little parade today"]
SAID = ("apples", "bridges", "candles", "dolphins", "engines", "feathers", "gardens", "hammers", "islands", "jackets")
PLACES = ("under water", "over mountains", "behind curtains", "without permission", "during thunderstorms")


@dataclass
class Writer:
    """A generator that writes five texts a draw: one of each fault, and two that are good."""

    label: str = "joy"
    notes: dict[str, Any] = field(default_factory=lambda: {"base": "invented"})
    seeds: list[int] = field(default_factory=list)
    fails_at: int | None = None

    def sample(self, rows: int, decoding: DecodingOptions, *, device: Device, seed: int) -> list[str]:
        if len(self.seeds) == self.fails_at:
            raise KeyboardInterrupt
        self.seeds.append(seed)
        random = np.random.default_rng(seed)
        things = [SAID[place] for place in random.permutation(len(SAID))[:4]]
        good = [f"{things[0]} {things[1]} {PLACES[seed % 5]} {seed}", f"{seed} {things[2]} {things[3]} we found"]
        return [good[0], "too short", TRAIN[0], f"gloomy {good[1]}", good[1]][:rows]


@dataclass
class Reader:
    """A classifier that reads sadness in whatever is gloomy and joy in the rest."""

    labels: tuple[str, ...] = ("sadness", "joy")

    def probabilities(self, texts: Sequence[str], *, device: Device) -> np.ndarray:
        joy = np.array([0.2 if "gloomy" in text else 0.9 for text in texts])
        return np.column_stack([1 - joy, joy])

    def save(self, directory: Path) -> None:
        raise NotImplementedError


def options_of(quota: int, max_draws: int = 10, **change: Any) -> SynthesisOptions:
    return SynthesisOptions(
        quota=quota, max_draws=max_draws, decoding=DecodingOptions(batch_size=5), **{"seed": 11, **change}
    )


def sieve_of(options: SynthesisOptions, device: Device) -> Sieve:
    return Sieve(TextFilter.build(TRAIN, options.filter), Reader(), options, device)


def draw(generator: Writer, options: SynthesisOptions, device: Device, root: Path) -> pd.DataFrame:
    parts = TableParts(root, "candidates.joy", "a1")
    return draw_candidates(generator, sieve_of(options, device), options, device=device, parts=parts)


def test_draws_go_on_until_the_quota_is_met(tmp_path: Path, cpu: Device) -> None:
    generator = Writer()
    candidates = draw(generator, options_of(quota=5), cpu, tmp_path)
    # Two of five are good, so that three batches are needed; the sixth good text is one too many.
    assert len(generator.seeds) == 3
    assert candidates["kept"].sum() == 5
    assert candidates["reason"].tolist() == [
        *(KEPT, TOO_SHORT, COPY, DISAGREES, KEPT),
        *(KEPT, TOO_SHORT, COPY, DISAGREES, KEPT),
        *(KEPT, TOO_SHORT, COPY, DISAGREES, SURPLUS),
    ]
    Candidates.validate(candidates)


def test_the_table_says_where_a_candidate_comes_from(tmp_path: Path, cpu: Device) -> None:
    candidates = draw(Writer(), options_of(quota=2), cpu, tmp_path)
    places = ["joy:1:", "joy:2:", "joy:3:", "joy:4:", "joy:5:"]
    assert [name[:6] for name in candidates["candidate_id"]] == places
    assert set(candidates["label"]) == {"joy"}
    assert set(candidates["generator"]) == {"invented"}
    assert set(candidates["seed"]) == {11}
    assert candidates["probability"].tolist() == pytest.approx([0.9, 0.9, 0.9, 0.2, 0.9])
    assert candidates["words"].tolist()[1:3] == [2, 10]
    assert candidates["train_similarity"].tolist()[2] == 1.0


def test_another_text_at_the_same_place_has_another_name(tmp_path: Path, cpu: Device) -> None:
    tables = [draw(Writer(), options_of(quota=2, seed=seed), cpu, tmp_path / str(seed)) for seed in (1, 2)]
    same = tables[0]["candidate_id"] == tables[1]["candidate_id"]
    # Only the copy of the train text and the short one are the same in both.
    assert same.tolist() == [False, True, True, False, False]
    # CRC-32 of b"too short".
    assert tables[0]["candidate_id"].tolist()[1] == "joy:2:71d56ae5"


def test_every_batch_has_a_seed_of_its_own(tmp_path: Path, cpu: Device) -> None:
    first, again, other = Writer(), Writer(), Writer()
    draw(first, options_of(quota=8), cpu, tmp_path / "first")
    draw(again, options_of(quota=4), cpu, tmp_path / "again")
    draw(other, options_of(quota=8, seed=12), cpu, tmp_path / "other")
    assert len(set(first.seeds)) == 4
    assert again.seeds == first.seeds[:2]
    assert not set(first.seeds) & set(other.seeds)


def test_a_generator_that_cannot_meet_its_quota_gives_up(
    tmp_path: Path, cpu: Device, caplog: pytest.LogCaptureFixture
) -> None:
    generator = Writer()
    with caplog.at_level(logging.WARNING):
        candidates = draw(generator, options_of(quota=50, max_draws=3), cpu, tmp_path)
    assert (len(generator.seeds), len(candidates), candidates["kept"].sum()) == (3, 15, 6)
    assert "generator.joy: only 6 of 50 wanted after 3 batches; raise synthesis.max_draws" in caplog.text


def test_a_quota_that_is_met_is_no_warning(tmp_path: Path, cpu: Device, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        draw(Writer(), options_of(quota=4), cpu, tmp_path)
    assert caplog.text == ""


@pytest.mark.parametrize("fails_at", [1, 3])
def test_interrupted_draws_end_in_the_same_table(tmp_path: Path, cpu: Device, fails_at: int) -> None:
    options = options_of(quota=9)
    undisturbed = draw(Writer(), options, cpu, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        draw(Writer(fails_at=fails_at), options, cpu, tmp_path / "cut")
    generator = Writer()
    resumed = draw(generator, options, cpu, tmp_path / "cut")
    assert len(generator.seeds) == 5 - fails_at
    pd.testing.assert_frame_equal(resumed, undisturbed)


def test_finished_draws_are_not_drawn_again(tmp_path: Path, cpu: Device) -> None:
    first = draw(Writer(), options_of(quota=4), cpu, tmp_path)
    again = draw(Writer(fails_at=0), options_of(quota=4), cpu, tmp_path)
    pd.testing.assert_frame_equal(again, first)


def test_a_text_that_was_kept_before_is_a_duplicate(tmp_path: Path, cpu: Device) -> None:
    class Parrot(Writer):
        def sample(self, rows: int, decoding: DecodingOptions, *, device: Device, seed: int) -> list[str]:
            self.seeds.append(seed)
            return ["we found seven feathers behind curtains", f"island number {seed} smells of cinnamon"]

    candidates = draw(Parrot(), options_of(quota=3), cpu, tmp_path)
    assert candidates["reason"].tolist() == [KEPT, KEPT, DUPLICATE, KEPT]


def test_tau_zero_asks_the_classifier_for_nothing_but_its_probability(tmp_path: Path, cpu: Device) -> None:
    options = options_of(quota=3, filter=FilterOptions(tau=0.0, near_duplicate=1.0))
    candidates = draw(Writer(), options, cpu, tmp_path)
    assert candidates["reason"].tolist() == [KEPT, TOO_SHORT, COPY, KEPT, KEPT]
    assert candidates["probability"].tolist()[3] == pytest.approx(0.2)


def test_a_classifier_that_is_unsure_turns_a_candidate_away(tmp_path: Path, cpu: Device) -> None:
    options = options_of(quota=3, max_draws=1, filter=FilterOptions(tau=0.95))
    candidates = draw(Writer(), options, cpu, tmp_path)
    assert candidates["reason"].tolist() == [UNSURE, TOO_SHORT, COPY, DISAGREES, UNSURE]


def test_what_is_turned_away_does_not_stand_in_the_way_of_others(cpu: Device) -> None:
    options = options_of(quota=3)
    twice = ["gloomy feathers fell on seven islands", "glowing feathers fell on seven islands"]
    table = sieve_of(options, cpu)(twice, "joy", [])
    assert table["reason"].tolist() == [DISAGREES, KEPT]
