"""The stages, one folder each: ``pipeline.py`` wires, ``nodes.py`` is glue."""
