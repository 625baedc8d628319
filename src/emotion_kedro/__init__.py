"""Teaching small language models to read emotion, with training text that a generator writes."""

import time

__version__ = "0.1.0"
BEGAN = time.time_ns()
"""When this process first imported the package."""
