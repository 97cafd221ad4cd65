"""Bounds of a request that hold for every artifact."""

#: Longest structure text, in characters: a CIF of 10 000 atoms has about a million.
MAX_STRUCTURE_CHARS = 2_000_000
#: Longest description, in characters. The artifact's own limit (``limits.max_text_chars``) is usually lower and counts
#: as well.
MAX_DESCRIPTION_CHARS = 100_000
#: Most items of one ``/predict_batch``.
MAX_ITEMS = 256
