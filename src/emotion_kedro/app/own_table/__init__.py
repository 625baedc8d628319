"""``emotion try``: a table of one's own, from its columns to a classifier."""
