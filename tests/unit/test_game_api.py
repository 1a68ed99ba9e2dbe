"""The game's API: what each route stores, and what a client can and cannot change."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from kafka.errors import KafkaError, KafkaTimeoutError

from pipeline import game_api
from pipeline.game_api import Event, NotAcknowledged, create_app

SENT = {"Host": "user1.comcast.com", "User-Agent": "ApacheBench/2.3", "Accept": "*/*"}

ROUTES = [
    ("/", "default", None, None, "This is the default response!\n"),
    ("/purchase_a_sword", "purchase_sword", "upgrade sword strength", "1", "Sword Purchased!\n"),
    ("/purchase_a_knife", "purchase_knife", "upgrade knife strength", "1", "Knife Purchased!\n"),
    ("/purchase_armor", "purchase_armor", "upgrade armor strength", "1", "Armor Purchased!\n"),
    ("/purchase_bow", "purchase_bow", "upgrade bow strength", "1", "Bow Purchased!\n"),
    ("/purchase_arrow", "purchase_arrow", "upgrade arrow strength", "1", "Arrow Purchased!\n"),
    ("/join_guild", "join_guild", "joining a guild", None, "Joined Guild!\n"),
    ("/join_a_guild", "join_guild", "joining a guild", None, "Joined Guild!\n"),
    ("/leave_guild", "leave_guild", "leaving a guild", None, "Left Guild!\n"),
    ("/attack_enemy", "attack_enemy", "attacking an enemy", None, "Enemy Attacked!\n"),
]
PATHS = [route[0] for route in ROUTES]


@pytest.fixture
def stored() -> list[Event]:
    """Return the events that the API has stored in this test."""
    return []


@pytest.fixture
def client(stored: list[Event]) -> FlaskClient:
    """Return a client of an API that stores into `stored`."""
    return create_app(stored.append).test_client()


def refuse(event: Event) -> None:
    """Stand for a broker that does not acknowledge."""
    raise NotAcknowledged("the broker did not acknowledge: late")


def test_these_are_all_routes_of_the_app() -> None:
    rules = create_app(refuse).url_map.iter_rules()
    assert sorted(rule.rule for rule in rules if rule.endpoint != "static") == sorted(PATHS)


@pytest.mark.parametrize(("path", "event_type", "description", "amount", "answer"), ROUTES)
def test_a_route_stores_its_event_and_answers(
    client: FlaskClient,
    stored: list[Event],
    path: str,
    event_type: str,
    description: str | None,
    amount: str | None,
    answer: str,
) -> None:
    response = client.get(path, headers=SENT)

    optional = {"description": description, "amount": amount}
    expected = SENT | {"event_type": event_type, "event_id": response.headers["X-Event-Id"]}
    expected |= {name: value for name, value in optional.items() if value is not None}
    assert (response.status_code, response.text) == (200, answer)
    assert stored == [expected]


@pytest.mark.parametrize("path", PATHS)
def test_every_value_of_an_event_is_a_string(
    client: FlaskClient, stored: list[Event], path: str
) -> None:
    client.get(path, headers=SENT)
    assert {type(value) for value in stored[0].values()} == {str}


def test_an_event_id_is_a_new_random_uuid_each_time(
    client: FlaskClient, stored: list[Event]
) -> None:
    answered = [client.get("/").headers["X-Event-Id"] for _ in range(50)]
    assert [event["event_id"] for event in stored] == answered
    assert len(set(answered)) == 50
    assert {UUID(event_id).version for event_id in answered} == {4}


def test_a_header_that_was_not_sent_is_no_field(client: FlaskClient, stored: list[Event]) -> None:
    client.get("/", headers={"Host": "user1.comcast.com", "User-Agent": ""})
    assert "Accept" not in stored[0]
    assert stored[0]["User-Agent"] == ""


@pytest.mark.parametrize(
    "header",
    ["event_type", "Event_Type", "amount", "Amount", "description", "event_id", "X-Event-Id"],
)
def test_a_clients_header_never_changes_a_field(
    client: FlaskClient, stored: list[Event], header: str
) -> None:
    plain = client.get("/purchase_a_sword", headers=SENT)
    attacked = client.get("/purchase_a_sword", headers=SENT | {header: "999"})

    first, second = (event | {"event_id": "-"} for event in stored)
    assert first == second
    assert "999" not in stored[1].values()
    assert attacked.headers["X-Event-Id"] == stored[1]["event_id"] != plain.headers["X-Event-Id"]


def test_other_headers_and_the_query_are_not_kept(client: FlaskClient, stored: list[Event]) -> None:
    client.get("/?event_type=default&Host=x", headers=SENT | {"Cookie": "a=b", "Referer": "r"})
    assert set(stored[0]) == {"Host", "User-Agent", "Accept", "event_type", "event_id"}
    assert stored[0]["Host"] == SENT["Host"]


def test_one_request_never_leaks_into_the_next(client: FlaskClient, stored: list[Event]) -> None:
    client.get("/join_guild", headers=SENT)
    client.get("/join_guild", headers={"Host": "user2.att.com"})
    assert "Accept" not in stored[1]
    assert stored[1]["Host"] == "user2.att.com"


@pytest.mark.parametrize("path", PATHS)
def test_without_an_acknowledgement_the_answer_is_503_with_a_reason(path: str) -> None:
    response = create_app(refuse).test_client().get(path)
    assert response.status_code == 503
    assert response.mimetype == "application/json"
    assert json.loads(response.data) == {
        "reason": "the broker did not acknowledge: late",
        "event_id": response.headers["X-Event-Id"],
    }


def test_the_answer_comes_after_the_event_is_stored_and_is_asked_once() -> None:
    asked: list[Event] = []

    def store_then_refuse(event: Event) -> None:
        asked.append(event)
        raise NotAcknowledged("late")

    response = create_app(store_then_refuse).test_client().get("/")
    assert response.status_code == 503
    assert [event["event_id"] for event in asked] == [response.headers["X-Event-Id"]]


def test_an_error_of_the_publishers_own_is_no_promise_either() -> None:
    def broken(event: Event) -> None:
        raise TypeError("a bug")

    assert create_app(broken).test_client().get("/").status_code == 500


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("HEAD", 405), ("POST", 405), ("PUT", 405), ("DELETE", 405)],
)
def test_only_get_stores_an_event(
    client: FlaskClient, stored: list[Event], path: str, method: str, status: int
) -> None:
    response = client.open(path, method=method)
    assert response.status_code == status
    assert {name.strip() for name in response.headers["Allow"].split(",")} >= {"GET", "OPTIONS"}
    assert stored == []


@pytest.mark.parametrize("path", ["/purchase_sword", "/purchase_a_sword/", "/favicon.ico"])
def test_an_unknown_path_is_404_and_stores_nothing(
    client: FlaskClient, stored: list[Event], path: str
) -> None:
    assert client.get(path).status_code == 404
    assert stored == []


def test_without_a_publisher_the_app_connects_to_kafka_at_once(
    monkeypatch: pytest.MonkeyPatch, stored: list[Event]
) -> None:
    connected: list[str] = []

    def connect() -> Callable[[Event], None]:
        connected.append("now")
        return stored.append

    monkeypatch.setattr(game_api, "kafka_publisher", connect)
    app = create_app()
    assert connected == ["now"]
    app.test_client().get("/")
    assert len(stored) == 1


class Producer:
    """Stands for Kafka's producer: keeps how it was made, what was sent, and who was waited for."""

    made: dict[str, Any]
    sent: list[tuple[str, bytes]]
    waited: list[float]
    refusal: KafkaError | None = None

    def __init__(self, **options: object) -> None:
        cls = type(self)
        cls.made, cls.sent, cls.waited = options, [], []

    def send(self, topic: str, value: bytes) -> "Producer":
        """Be the future of the message as well."""
        self.sent.append((topic, value))
        return self

    def get(self, timeout: float) -> None:
        """Acknowledge, or not."""
        self.waited.append(timeout)
        if self.refusal:
            raise self.refusal


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> type[Producer]:
    """Return the class that the API makes its producer of; the environment is that of a run."""
    kind = type("Fresh", (Producer,), {})
    monkeypatch.setattr("kafka.KafkaProducer", kind)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("KAFKA_TOPIC", "events_of_a_run")
    monkeypatch.setenv("ACK_TIMEOUT_SECONDS", "2.5")
    return kind


def test_every_replica_has_to_acknowledge_one_attempt_in_time(producer: type[Producer]) -> None:
    game_api.kafka_publisher()
    asked = {name: producer.made[name] for name in ("bootstrap_servers", "acks", "retries")}
    assert asked == {"bootstrap_servers": "127.0.0.1:1", "acks": "all", "retries": 0}
    assert producer.made["enable_idempotence"] is False
    limits = ("max_block_ms", "request_timeout_ms", "delivery_timeout_ms")
    assert {producer.made[name] for name in limits} == {2500}


def test_an_event_is_one_message_of_the_environments_topic(producer: type[Producer]) -> None:
    game_api.kafka_publisher()({"event_type": "default"})
    assert producer.sent == [("events_of_a_run", b'{"event_type": "default"}')]


def test_200_waits_for_the_acknowledgement(
    producer: type[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", iter((10.0, 11.0)).__next__)
    game_api.kafka_publisher()({"event_type": "default"})
    assert producer.waited == [1.5]  # the rest of the limit


def test_a_refusal_of_kafka_is_told(producer: type[Producer]) -> None:
    producer.refusal = KafkaTimeoutError("late")
    with pytest.raises(NotAcknowledged, match=r"the broker did not acknowledge: .*late"):
        game_api.kafka_publisher()({"event_type": "default"})
