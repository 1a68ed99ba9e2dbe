"""pytest-sluice tests whole data pipelines with pytest, on the real services.

The names here declare the pipeline under test; the fixtures come from the plugin.
"""

from pytest_sluice.declaration import (
    Api,
    Burst,
    Ddl,
    Env,
    Fixed,
    Job,
    Pipeline,
    Query,
    Table,
    Topic,
)
from pytest_sluice.traffic import read_traffic

__all__ = [
    "Api",
    "Burst",
    "Ddl",
    "Env",
    "Fixed",
    "Job",
    "Pipeline",
    "Query",
    "Table",
    "Topic",
    "read_traffic",
]
