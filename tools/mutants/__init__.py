"""Scores the tests: wrong versions of the pipeline, and of the plugin, that they should notice."""
