"""Writing the reference page."""

from __future__ import annotations

from typing import Any

from emotion_kedro.reference import REPORTING


def write_reference(*documents: Any) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary.

    Args:
        documents: the findings of each pipeline of ``REPORTING``, then the log of its run; None where it has not run.
    """
    from emotion_kedro.pictures.document import document_html, document_markdown, document_summary
    from emotion_kedro.pictures.reference import reference_document

    size = len(REPORTING)
    findings = {name: found for name, found in zip(REPORTING, documents[:size], strict=True) if found}
    logs = {name: log for name, log in zip(REPORTING, documents[size:], strict=True) if log and name in findings}
    document = reference_document(findings, logs)
    return document_html(document), document_markdown(document), document_summary(document)
