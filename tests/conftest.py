"""What many tests share: a device, a few invented records, and an encoder small enough to fit in a second."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import string
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

# Where no model is: what a person has downloaded makes no difference to a test. Read when huggingface_hub is loaded,
# which test modules do at their top, so before any fixture; processes that tests start inherit it.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="no-models-")
os.environ["HF_HUB_CACHE"] = os.environ["HF_HOME"] + "/hub"
# Read when the libraries are loaded: no test reaches for a hub, and models this small are slower on more threads.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import pandas as pd
import pytest

from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.models.device import Device
from emotion_kedro.runtime.guards import STOPPING
from emotion_kedro.storage.cache import Cache

NO_MODELS = os.environ["HF_HOME"]
WORDS = {
    "anger": ("furious", "shouting", "unfair", "slammed"),
    "fear": ("trembling", "scared", "haunted", "hiding"),
    "joy": ("laughing", "dancing", "sunshine", "wonderful"),
    "sadness": ("crying", "lonely", "grief", "goodbye"),
}
AT_THE_END = ExitStack()
OPENINGS = ("this morning i was", "all day we were", "nobody saw that she was", "at the station he was")
ENDINGS = ("again", "with my sister in the kitchen", "until the last bus came")


def pytest_unconfigure() -> None:
    AT_THE_END.close()
    shutil.rmtree(NO_MODELS, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a cluster and of killed runs take half the time of all, and run with ``make long``."""
    for item in items:
        if any(mark.args[:1] in {("ray",), ("chaos",), ("killed",)} for mark in item.iter_markers("xdist_group")):
            item.add_marker("long")


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    """What a test leaves to signals, the tests after it meet: training holds them by what it finds."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    after = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        signal.signal(number, handler)
    # What was started with interrupts ignored, as a shell does in the background, may have been given them back.
    assert after == before or before[signal.SIGINT] == signal.SIG_IGN


@pytest.fixture(scope="session")
def cpu() -> Device:
    return Device("cpu", "test", half=False)


@pytest.fixture
def ray_cluster() -> None:
    """A cluster of Ray with two processors, whose workers can import the tests.

    It stays for the tests after this one, as it takes seconds to start, and workers some more to load torch. One that
    wants another cluster ends it: ``ray.shutdown()``.
    """
    import ray

    from emotion_kedro.runners.ray.cluster import connected

    if not ray.is_initialized():
        AT_THE_END.enter_context(connected(None, 2, {}, shows_logs=False))


@pytest.fixture(scope="session")
def records() -> pd.DataFrame:
    """Records of four labels, 48 each; two words of a text give its label away."""
    texts = [
        (f"{opening} {first} and {second} {ending}", label)
        for label, words in WORDS.items()
        for opening, (first, second), ending in itertools.product(
            OPENINGS, itertools.pairwise((*words, words[0])), ENDINGS
        )
    ]
    table = pd.DataFrame(texts, columns=["text", "label"]).astype("str")
    table.insert(0, "record_id", [f"invented:{row}" for row in range(len(table))])
    return table.assign(source="invented")


@pytest.fixture(scope="session")
def labels() -> tuple[str, ...]:
    return tuple(WORDS)


@pytest.fixture(scope="session")
def taxonomy() -> TaxonomyConfig:
    return TaxonomyConfig.from_labels(WORDS)


@pytest.fixture(scope="session")
def tiny_encoder(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a BERT that has learned nothing: 2 layers, width 32, and a WordPiece vocabulary of its own."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    directory = tmp_path_factory.mktemp("tiny_encoder")
    # The words of the records, and letters for all others. A trained vocabulary is another one in every process.
    words = sorted(set(" ".join(records["text"]).split()) - set(string.ascii_lowercase))
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.punctuation, *string.digits, *letters, *words]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast.from_pretrained(directory)
    assert len(tokenizer) == len(pieces)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        # The usual 0.02 is meant for a width of 768: at 32 a model would dawdle.
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_gpt2(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing: 2 layers, width 32, and a byte-level BPE of its own."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from emotion_kedro.models.language_models import LanguageModel
    from emotion_kedro.models.tokenizers import train_byte_level

    directory = tmp_path_factory.mktemp("tiny_gpt2")
    tokenizer = train_byte_level(records["text"].tolist(), vocabulary=400)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    LanguageModel(GPT2LMHeadModel(config), tokenizer).save(directory)
    return directory


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")
