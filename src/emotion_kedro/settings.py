"""Kedro settings of the project, and of the libraries below it."""

import os
import warnings

from emotion_kedro.hooks import RunHooks

# Read when the libraries are loaded, which is later.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

# Calls between libraries, not something that users of this project could mend.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")

HOOKS = (RunHooks(),)

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment names only what differs from base.
    "merge_strategy": {"parameters": "soft"},
}
