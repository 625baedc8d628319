"""Writing the page over all studies."""

from __future__ import annotations

from typing import Any

from emotion_kedro.pipelines.studies.sets import CHOSEN_ON, ORIGINS, SETS


def write_studies(run_log: dict[str, Any], *documents: Any) -> tuple[str, str, str, dict[str, bytes]]:
    """Return the HTML page, the Markdown page, the summary and the pictures.

    Args:
        run_log: the log of this pipeline's run.
        documents: the figures of each study of ``SETS``; None where it has not run.

    Raises:
        ValueError: if none has run.
    """
    from emotion_kedro.pictures.studies import studies_document
    from emotion_kedro.pictures.study import study_pages

    found = {SETS[name]: figures for name, figures in zip(SETS, documents, strict=True) if figures}
    if not found:
        raise ValueError(
            f"no study has run; run one first: kedro run --pipeline={next(iter(SETS))} (with the same --env)"
        )
    says, generated = _arms(found)
    document = studies_document(found, says, generated, origins=ORIGINS, chosen_on=CHOSEN_ON)
    return study_pages(document, [], run_log, {"sets": ", ".join(found)}, picture_folder="images/studies")


def _arms(studies: dict[str, dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    says: dict[str, str] = {}
    generated: list[str] = []
    for figures in studies.values():
        says = {**figures["says"], **says}
        generated += figures["generated"]
    return says, list(dict.fromkeys(generated))
