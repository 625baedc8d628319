"""Texts of data sets that may not be handed on stay out of the page that is."""

from __future__ import annotations

import pytest

from emotion_kedro.pictures.blocks import Coloured, ColouredLine, Examples, Section
from emotion_kedro.pictures.document import PRIVATE, Document, document_html, document_markdown


@pytest.mark.parametrize("private", [True, False])
def test_private_texts_stand_in_the_html_page_alone(private: bool) -> None:
    blocks = [
        Examples({"joy": [("0.9", "an invented sentence")]}, private=private),
        Coloured("why", [ColouredLine("joy", [("invented", 0.9), ("word", 0.1)])], private=private),
    ]
    document = Document("Title", "Question?", "Answer.", "Sentence.", [Section("texts", "Texts", blocks)])
    page = document_markdown(document)
    assert ("an invented sentence" in page) is not private
    assert ("**invented** word" in page) is not private
    assert page.count(PRIVATE) == 2 * private
    assert "an invented sentence" in document_html(document)
