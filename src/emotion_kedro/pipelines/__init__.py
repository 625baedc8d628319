"""The stages of the work: wiring and glue."""
