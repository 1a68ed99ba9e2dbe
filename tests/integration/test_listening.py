"""Where the processes of a cluster listen: on its own address, and out of nobody else's reach."""

import json
import sys
from urllib.request import urlopen

import pytest

from pytest_sluice.contracts import Endpoint
from pytest_sluice.flow.deployment import roles
from pytest_sluice.flow.handles import RunApi, RunStream
from pytest_sluice.session import Session
from pytest_sluice.sql import Presto
from tests.integration.sockets import Socket, listening

LOOPBACK = "127.0.0.1"


def presto_thrift_port(http: Endpoint) -> int:
    """The port on which Presto would speak Thrift with its workers; it tells discovery of it."""
    with urlopen(f"http://{http}/v1/service/presto", timeout=5) as answer:
        (service,) = json.load(answer)["services"]
    return int(service["properties"]["thriftServerPort"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a whole loopback network")
def test_every_service_listens_on_the_address_of_its_cluster(
    sluice_session: Session, sluice_presto: Presto, sluice_api: RunApi, sluice_stream: RunStream
) -> None:
    sockets = sorted(listening(sluice_session.cluster))
    endpoint = sluice_session.deployment.backend.endpoint
    # These two Thrift servers listen on every interface, and there is no setting for it.
    exceptions = [
        Socket("metastore", "0.0.0.0", endpoint("metastore", "thrift").port),
        Socket("presto", "0.0.0.0", presto_thrift_port(endpoint("presto", "http"))),
    ]
    own = sluice_session.cluster.ask("status")["address"]
    elsewhere = [socket for socket in sockets if socket.host not in (own, LOOPBACK)]
    assert elsewhere == exceptions, "\n".join(map(str, elsewhere))
    services = {role.name for role in roles(sluice_session.settings["kafka"])}
    assert {socket.role for socket in sockets} >= {*services, "api", "stream"}
