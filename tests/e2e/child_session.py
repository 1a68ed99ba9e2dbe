"""A session for test_teardown.py to end; pytest collects it only when it is named."""

import json
import os
from dataclasses import asdict, astuple
from pathlib import Path

import pytest

from pytest_sluice.backends.docker_roles import DockerRoles
from pytest_sluice.clients.hdfs import Hdfs
from pytest_sluice.flow.handles import RunApi
from pytest_sluice.flow.run import Run
from pytest_sluice.session import Session
from pytest_sluice.waiting import Deadline, NotYet, wait_for


def test_reports_itself_and_waits(
    request: pytest.FixtureRequest,
    sluice_session: Session,
    sluice_run: Run,
    sluice_api: RunApi,
    sluice_hdfs: Hdfs,
) -> None:
    backend = sluice_session.deployment.backend
    attached = backend.attached
    if attached:  # a schema outlives its session there; elsewhere it goes with the metastore
        request.getfixturevalue("sluice_hive")
        sluice_hdfs.write(f"{sluice_run.names.root}/file", b"content")
    folder = Path(os.environ["CHILD_SESSION"])
    told = {
        "directory": str(sluice_session.cluster.directory),
        "roles": [row.split()[0] for row in backend.leftovers()],
        "label": backend.label if isinstance(backend, DockerRoles) else "",
        "published": [
            astuple(backend.endpoint(role, port))
            for role, port in (("kafka", "client"), ("namenode", "http"), (sluice_api.role, "http"))
            if not attached
        ],
        "pytest": os.getpid(),
        "names": asdict(sluice_run.names) if attached else {},
    }
    (folder / "told.part").write_text(json.dumps(told))
    (folder / "told.part").rename(folder / "told.json")

    def word_to_end() -> None:
        if not (folder / "end").exists():
            raise NotYet("no word to end")

    wait_for("the word to end", word_to_end, Deadline(60))
