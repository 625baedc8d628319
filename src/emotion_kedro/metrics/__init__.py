"""Scores, intervals and text quality, from tidy tables. No torch."""
