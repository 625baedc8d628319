"""Kedro settings of the project, and of the libraries below it."""

import os
import sys
import warnings
from importlib.util import find_spec

from emotion_kedro.config.loader import ProjectConfigLoader
from emotion_kedro.hooks.progress import ProgressHooks
from emotion_kedro.hooks.project import RunHooks
from emotion_kedro.hooks.tracking import TrackingHooks
from emotion_kedro.runners.incremental import ManifestHooks

# Read when the libraries are loaded, which is later.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
# Threads of torch wait for each other by spinning, by default so long that beside one busy process on two cores a
# training takes many times as long as alone. A thirtieth of it takes most of that away, and alone it is as fast.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Kedro asks for it at each of ten thousand parameters. Where it is not, looking for it took a second of every run.
if find_spec("ibis") is None:
    sys.modules.setdefault("ibis", None)  # type: ignore[arg-type]

# Calls between libraries, not something that users of this project could mend.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
# Stages are templates: their nodes name data sets of the namespaces that they are put into afterwards.
warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")
# Their functions have names, which do not reach the processes of a parallel runner.
warnings.filterwarnings("ignore", message="The node producing outputs .* is made from a 'partial' function")
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
warnings.filterwarnings("ignore", message="ORJSONResponse is deprecated")
# `kedro viz` starts a process that loads its server before these settings.
os.environ.setdefault("PYTHONWARNINGS", "ignore:ORJSONResponse is deprecated")

# Kedro calls the last first: what a run will do is said, and tracked, when all checks have passed.
HOOKS = (TrackingHooks(), ProgressHooks(), RunHooks(), ManifestHooks())
CONFIG_LOADER_CLASS = ProjectConfigLoader
# An environment names only what differs from base; the loader merges parameters and experiments key by key.
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
