"""Scoring: many crystals at once, and an artifact's errors on labelled ones."""
