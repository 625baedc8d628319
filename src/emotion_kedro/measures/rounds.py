"""What the rounds of a loop brought: scores on both sides, yield and diversity of the text, and the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.measures.arms import compare_arms, score_arm
from emotion_kedro.measures.findings import describe_rows, finding
from emotion_kedro.measures.synthetic_text import EVERYTHING, describe_synthetic_text

TEXT_FIGURES = (
    *("drawn", "kept", "yield", "fidelity_all", "fidelity_kept", "distinct_2", "real_distinct_2"),
    *("self_bleu", "real_self_bleu", "nearest_similarity", "exact_copies", "near_copies"),
)


def describe_rounds(
    log: Sequence[Mapping[str, Any]],
    predictions: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    candidates: pd.DataFrame,
    records: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None,
    bootstrap: Mapping[str, Any],
    bins: int,
) -> dict[str, Any]:
    """Return the figures of each round, which was best on validation, and its difference to round 0 on the test rows.

    Args:
        log: facts of each round, ``round`` and ``best`` among them.
        predictions: test rows, an arm ``round_<k>`` for each round.
        validation_predictions: the same, validation rows.
        candidates: schema :class:`emotion_kedro.schemas.RoundCandidates`.
        records: schema :class:`emotion_kedro.schemas.SplitRecords`.
        labels: the taxonomy.
        groups: near-duplicate group of each ``record_id``, which are resampled whole.
        bootstrap: ``samples``, ``level`` and ``seed``.
        bins: of the calibration error.
    """
    rounds = []
    for facts in log:
        arm = f"round_{facts['round']}"
        test, validation = (
            score_arm(table[table["arm"] == arm], labels, groups=groups, bins=bins, **bootstrap)
            for table in (predictions, validation_predictions)
        )
        written = candidates[candidates["round"] == facts["round"]]
        rounds.append(
            {
                **facts,
                **{name: test[name] for name in ("macro_f1", "log_loss", "rows", "seeds")},
                **{"test": test["accuracy"], "validation": validation["accuracy"]},
                **{"validation_log_loss": validation["log_loss"], "validation_rows": validation["rows"]},
                "text": None if written.empty else _text(written, records, bootstrap["seed"]),
            }
        )
    best = next(entry["round"] for entry in rounds if entry["best"])
    first, chosen = (predictions[predictions["arm"] == f"round_{number}"] for number in (0, best))
    difference = compare_arms(first, chosen, labels, groups=groups, **bootstrap) if best else None
    return {"rounds": rounds, "best": best, "difference": difference}


def _text(candidates: pd.DataFrame, records: pd.DataFrame, seed: int) -> dict[str, Any]:
    judged = candidates.rename(columns={"candidate_id": "record_id", "read_as": "predicted"})
    sides = (records[records["split"] == side] for side in ("train", "test"))
    found = describe_synthetic_text(
        candidates.drop(columns=["round", "read_as"]), judged[["record_id", "predicted"]], *sides, seed=seed
    )
    whole = found[found["label"] == EVERYTHING].iloc[0]
    return {name: None if pd.isna(whole[name]) else float(whole[name]) for name in TEXT_FIGURES}


def findings_on_rounds(
    system: str, figures: Mapping[str, Any], records: pd.DataFrame, *, model: str
) -> list[dict[str, Any]]:
    """Return the findings: round 0, the best round by validation, their difference, and each further round."""
    train = describe_rows(records[records["split"] == "train"])
    rounds, best = figures["rounds"], figures["best"]

    def found(name: str, entry: Mapping[str, Any], note: str = "") -> dict[str, Any]:
        return finding(
            *(system, name),
            figure=entry["test"],
            rows=entry["rows"],
            seeds=entry["seeds"],
            model=model,
            data=f"{train} and {entry['synthetic']:,} synthetic ones" if entry["synthetic"] else train,
            note=note,
        )

    difference = figures["difference"]
    gain = finding(
        *(system, "difference, best round minus round 0"),
        metric="difference in accuracy",
        figure=None if difference is None else difference["accuracy"],
        rows=rounds[0]["rows"],
        seeds=rounds[0]["seeds"],
        model=model,
        data=train,
        note="paired on the same test rows and seeds" if difference else "round 0 was best on the validation rows",
    )
    further = [found(f"round {entry['round']}", entry) for entry in rounds[1:]]
    chosen = found("best round by validation", rounds[best], note=f"round {best} of {len(rounds) - 1}")
    return [found("round 0", rounds[0]), chosen, gain, *further]
