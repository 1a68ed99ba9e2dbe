"""Unit tests share the machine with whatever else runs: a slow example is no failure."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
