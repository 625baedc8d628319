"""Teaching small language models to read emotion, with training text that a generator writes."""

__version__ = "0.1.0"
