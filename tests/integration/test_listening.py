"""Where the processes of a cluster listen: on its own address, and out of nobody else's reach."""

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_sluice import launchers
from pytest_sluice.class_data import prepared_root, tools
from pytest_sluice.errors import ServiceNotReady
from pytest_sluice.flow.deployment import roles
from pytest_sluice.flow.handles import RunApi, RunStream
from pytest_sluice.services import hive, presto
from pytest_sluice.services.jvm import class_path
from pytest_sluice.session import Session
from pytest_sluice.sql import Presto
from tests.integration.sockets import Socket, listening

LOOPBACK = "127.0.0.1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a whole loopback network")
def test_every_service_listens_on_the_address_of_its_cluster(
    sluice_session: Session, sluice_presto: Presto, sluice_api: RunApi, sluice_stream: RunStream
) -> None:
    sockets = sorted(listening(sluice_session.cluster))
    own = sluice_session.cluster.ask("status")["address"]
    elsewhere = [socket for socket in sockets if socket.host not in (own, LOOPBACK)]
    assert not elsewhere, "\n".join(map(str, elsewhere))
    metastore = sluice_session.deployment.backend.endpoint("metastore", "thrift")
    assert Socket("metastore", own, metastore.port) in sockets
    services = {role.name for role in roles(sluice_session.settings["kafka"])}
    assert {socket.role for socket in sockets} >= {*services, "api", "stream"}


@pytest.mark.parametrize(("main", "service"), [(hive.MAIN, "spark"), (presto.MAIN, "presto")])
def test_without_its_launcher_a_server_does_not_start(main: str, service: str) -> None:
    at_hand = tools(prepared_root())
    argv = (at_hand.java, "-cp", class_path(at_hand.jars[service]), main)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert main in done.stderr


def test_a_launcher_that_does_not_fit_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "Wrong.java"
    source.write_text("public class Wrong extends com.facebook.presto.NoSuchServer {}")
    monkeypatch.setattr(launchers, "LAUNCHERS", (source,))
    with pytest.raises(ServiceNotReady, match="could not be compiled") as failed:
        launchers.build(tmp_path)
    assert "Caused by: " in str(failed.value)
    assert "\tat " not in str(failed.value)
