"""The game's API: every request becomes one event in Kafka, and 200 means that Kafka has it.

Run it with ``FLASK_APP=game_api.py flask run``, or under a production server with
``python -m waitress --listen=0.0.0.0:5000 --threads=16 --call game_api:create_app``.

Environment: KAFKA_BOOTSTRAP_SERVERS (kafka:29092), KAFKA_TOPIC (events), ACK_TIMEOUT_SECONDS (5).
"""

import json
import os
import time
from collections.abc import Callable
from uuid import uuid4

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

Event = dict[str, str]
Publish = Callable[[Event], None]


class NotAcknowledged(Exception):
    """The broker did not acknowledge in time: the event is stored once or not at all."""


def purchase(item: str) -> Event:
    """Return the event of buying one `item`, before the request's headers join it."""
    return described(f"purchase_{item}", f"upgrade {item} strength") | {"amount": "1"}


def described(event_type: str, description: str) -> Event:
    """Return an event that has a description and no amount."""
    return {"event_type": event_type, "description": description}


# path: (event, answer)
ROUTES: dict[str, tuple[Event, str]] = {
    "/": ({"event_type": "default"}, "This is the default response!\n"),
    "/purchase_a_sword": (purchase("sword"), "Sword Purchased!\n"),
    "/purchase_a_knife": (purchase("knife"), "Knife Purchased!\n"),
    "/purchase_armor": (purchase("armor"), "Armor Purchased!\n"),
    "/purchase_bow": (purchase("bow"), "Bow Purchased!\n"),
    "/purchase_arrow": (purchase("arrow"), "Arrow Purchased!\n"),
    "/join_guild": (described("join_guild", "joining a guild"), "Joined Guild!\n"),
    "/join_a_guild": (described("join_guild", "joining a guild"), "Joined Guild!\n"),
    "/leave_guild": (described("leave_guild", "leaving a guild"), "Left Guild!\n"),
    "/attack_enemy": (described("attack_enemy", "attacking an enemy"), "Enemy Attacked!\n"),
}
HEADERS = ("Host", "User-Agent", "Accept")


def create_app(publish: Publish | None = None) -> Flask:
    """Build the app around `publish`, which returns once an event is stored.

    It raises `NotAcknowledged` otherwise. Without `publish` the app connects to Kafka at once and
    fails to start when there is no broker.
    """
    app = Flask(__name__)
    store = publish or kafka_publisher()

    def handle() -> Response:
        # Flask answers HEAD wherever it answers GET, and 200 would promise a stored event.
        if request.method == "HEAD":
            raise MethodNotAllowed(["GET", "OPTIONS"])
        fields, answer = ROUTES[request.path]
        event = request_headers() | fields | {"event_id": str(uuid4())}
        response = answer_when_stored(store, event, answer)
        response.headers["X-Event-Id"] = event["event_id"]
        return response

    for path in ROUTES:
        app.add_url_rule(path, endpoint=path, view_func=handle, methods=["GET"])
    return app


def request_headers() -> Event:
    """Return the three headers that an event keeps; one that was not sent is not there."""
    return {name: request.headers[name] for name in HEADERS if name in request.headers}


def answer_when_stored(store: Publish, event: Event, answer: str) -> Response:
    """Store `event`, then answer 200; or 503 with the reason as JSON."""
    try:
        store(event)
    except NotAcknowledged as error:
        body = json.dumps({"reason": str(error), "event_id": event["event_id"]})
        return Response(body + "\n", status=503, mimetype="application/json")
    return Response(answer)


def kafka_publisher() -> Publish:
    """Connect to the broker that the environment names and return its publisher."""
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    topic = os.environ.get("KAFKA_TOPIC", "events")
    seconds = float(os.environ.get("ACK_TIMEOUT_SECONDS", "5"))
    milliseconds = int(seconds * 1000)  # the protocol takes no fractions
    producer = KafkaProducer(
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "kafka:29092"),
        acks="all",
        # One attempt, so at most once. This client's idempotent producer does the same with a
        # producer id, but refuses for ever after one request for an id that a pause swallowed.
        enable_idempotence=False,
        retries=0,
        max_block_ms=milliseconds,  # how long send() may wait for the topic's metadata
        request_timeout_ms=milliseconds,
        delivery_timeout_ms=milliseconds,  # after a 503 the client tries no more
        reconnect_backoff_max_ms=1000,  # a broker that comes back is used within a second
    )

    def publish(event: Event) -> None:
        deadline = time.monotonic() + seconds
        try:
            sent = producer.send(topic, json.dumps(event).encode())
            sent.get(timeout=max(0.0, deadline - time.monotonic()))
        except KafkaError as error:
            raise NotAcknowledged(f"the broker did not acknowledge: {error}") from error

    return publish
