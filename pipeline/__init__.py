"""The pipeline under test: a game's API, its streaming job, its tables and its traffic."""
