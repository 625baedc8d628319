"""Runs of an experiment, the search for settings, and rounds of feeding text back."""
