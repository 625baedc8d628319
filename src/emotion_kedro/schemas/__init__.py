"""The tables that the stages hand on, as pandera models; the catalog checks them when they are saved.

Columns whose names depend on the taxonomy (``p_<label>``) are matched by a pattern. ``size`` is the number of real
train rows per label of a run, and :data:`ALL_ROWS` where it has all of them.
"""
