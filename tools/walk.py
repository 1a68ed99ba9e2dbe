"""Walk through the document's commands in docker compose, and check what each of them prints.

    python -m tools.walk [--trigger "1 second"]

A project of its own, on a loopback address of its own, from `up` to `down`. However the walk ends,
it is taken down, and the exit code is 0 only if every check held and nothing of it is left.
"""

import argparse
import json
import os
import re
import shlex
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from urllib.error import URLError
from urllib.request import urlopen

from pytest_sluice.addresses import Addresses
from pytest_sluice.errors import SluiceError
from pytest_sluice.waiting import Deadline, NotYet, wait_for
from tools.project import ROOT, Failed, Rows, Walk, check, printed, taken_down

TOPIC = (
    "kafka-topics --create --topic events --partitions 1 --replication-factor 1 --if-not-exists "
    "--bootstrap-server kafka:29092"
)
FLASK = "env FLASK_APP=/w205/pipeline/game_api.py flask run --host 0.0.0.0"
READER = "kcat -C -b kafka:29092 -t events -o beginning -u"
READ_ALL = "kafkacat -C -b kafka:29092 -t events -o beginning -e"
JOB = "spark-submit /w205/pipeline/write_stream.py"
HIVE = "hive --hivevar schema=default --hivevar root=/tmp"
PRESTO = ("presto", "--server", "presto:8080", "--schema", "default")
COMMITS = "/tmp/checkpoints_for_events/commits"
# The document's trigger is due every two minutes; what is left of the time is for slow machines.
LANDING_SECONDS = 300.0
USERS = ("user1.comcast.com", "user2.att.com", "user3.spectrum.com")
COLUMNS = ("accept", "host", "user_agent", "event_type", "timestamp", "raw_event", "amount")


def counted(names: Sequence[str], *counts: int) -> Rows:
    """Rows of a name and a figure."""
    return [(name, str(count)) for name, count in zip(names, counts, strict=True)]


def item(name: str) -> str:
    """The printed event of a purchase, and what the document asks about it."""
    return (
        "select event_type, count(amount) as count from purchases "
        f"where raw_event = 'purchase_{name}' group by event_type order by count"
    )


# The document's queries and what they come to, by position as in the document.
BY_POSITION: Sequence[tuple[str, Rows]] = (
    ("show tables", [("guild_membership",), ("purchases",)]),
    ("describe purchases", [(name, "varchar") for name in COLUMNS]),
    ("select count(amount) from purchases", [("165",)]),
    ("describe guild_membership", [(name, "varchar") for name in COLUMNS[:-1]]),
    ("select count(*) from guild_membership", [("25",)]),
    (item("bow"), counted(USERS, 5, 15, 15)),
    (item("arrow"), counted(USERS, 10, 10, 5)),
    (
        "select distinct(event_type) from guild_membership group by event_type",
        [(user,) for user in USERS],
    ),
)
ITEMS = [f"purchase_{name}" for name in ("arrow", "knife", "bow", "armor", "sword")]
# These hold by the names of the columns alone; README.md tells why.
BY_NAME: Sequence[tuple[str, Rows]] = (
    ("select host, count(*) from purchases group by host", counted(USERS, 50, 60, 55)),
    (
        "select event_type, count(amount) as count from purchases group by event_type "
        "order by count",
        counted(ITEMS, 25, 30, 35, 35, 40),
    ),
    (
        "select event_type, count(*) as count from purchases where host = 'user3.spectrum.com' "
        "group by event_type order by count",
        counted(ITEMS, 5, 10, 15, 10, 15),
    ),
)


def start(walk: Walk) -> None:
    """Bring it up and make the topic."""
    check("of an earlier walk", list(walk.leftovers()), [])
    began = monotonic()
    walk.compose("up", "-d", "--wait")
    print(f"    everything is healthy after {monotonic() - began:.1f} s", flush=True)
    made = walk.exec("kafka", *shlex.split(TOPIC))
    check("answer", made.strip(), "Created topic events.")


def listen(walk: Walk, trigger: str) -> Path:
    """Start the API, a reader of the topic and the job, each in a terminal of its own."""
    walk.in_another_terminal("flask", "mids", *shlex.split(FLASK))
    wait_for("the API", lambda: _answers(walk), Deadline(60), alive=walk.alive)
    messages = walk.in_another_terminal("kcat", "mids", *shlex.split(READER))
    walk.in_another_terminal("spark", "spark", "env", f"TRIGGER={trigger}", *shlex.split(JOB))
    return messages


def send(walk: Walk) -> None:
    """The 21 bursts."""
    lines = (ROOT / "pipeline/traffic.sh").read_text("utf-8").splitlines()
    bursts = [shlex.split(line) for line in lines if line.startswith("ab ")]
    check("bursts", len(bursts), 21)
    for burst in bursts:
        told = walk.exec("mids", *burst)
        requests = burst[burst.index("-n") + 1]
        if not re.search(rf"Complete requests: +{requests}\n", told) or "Non-2xx" in told:
            raise Failed(f"not every request was answered as it should:\n{told}")


def read(walk: Walk, messages: Path) -> None:
    """Every message is in the topic, once."""
    wanted = 220

    def probe() -> None:
        count = len(messages.read_bytes().splitlines())
        if count < wanted:
            raise NotYet(f"{count} messages")

    wait_for("the reader to see every message", probe, Deadline(30), alive=walk.alive)
    told = walk.exec("mids", *shlex.split(READ_ALL))
    events = Counter(json.loads(line)["event_type"] for line in told.splitlines())
    check("messages", events.total(), wanted)
    bought = sum(count for event, count in events.items() if event.startswith("purchase_"))
    check("purchases among them", bought, 165)


def query(walk: Walk) -> None:
    """Make the tables, wait for the rows, ask the document's questions."""
    ddl = (ROOT / "pipeline/create_tables.hql").read_text("utf-8")
    walk.exec("cloudera", *shlex.split(HIVE), stdin=ddl)
    seen: set[str] = set()
    wait_for(
        "the purchases to land",
        lambda: _landed(walk, seen),
        Deadline(LANDING_SECONDS),
        alive=walk.alive,
    )
    for catalog, asked in (("hive", BY_POSITION), ("hive_by_name", BY_NAME)):
        statements = "".join(f"{sql};\n" for sql, _ in asked)
        told = walk.exec("presto", *PRESTO, "--catalog", catalog, stdin=statements)
        answers = list(printed(told))
        check(f"answers of {catalog}", len(answers), len(asked))
        for (sql, wanted), rows in zip(asked, answers, strict=True):
            width = len(wanted[0])
            check(sql, sorted(row[:width] for row in rows), sorted(wanted))


def _landed(walk: Walk, seen: set[str]) -> None:
    """Ask Presto only when a batch was committed: each of its clients is a JVM."""
    if (commits := _names(walk, COMMITS)) == seen:
        raise NotYet(f"{len(seen)} batches committed")
    seen |= commits
    count = walk.exec(
        "presto", *PRESTO, "--catalog", "hive", "--execute", "select count(*) from purchases"
    ).strip()
    if count != '"165"':
        raise NotYet(f"{count} purchases")


def _answers(walk: Walk) -> None:
    """An answer of the API that makes no event."""
    try:
        urlopen(f"http://{walk.address}:{_port('MIDS_PORT', 5000)}/nothing", timeout=5).close()
    except URLError as error:
        if getattr(error, "code", None) != 404:
            raise NotYet(str(error)) from error
    except OSError as error:
        raise NotYet(str(error)) from error


def _names(walk: Walk, folder: str) -> set[str]:
    """What WebHDFS lists; NotYet where there is no such folder."""
    url = f"http://{walk.address}:{_port('WEBHDFS_PORT', 50070)}/webhdfs/v1{folder}?op=LISTSTATUS"
    try:
        with urlopen(url, timeout=5) as answer:
            found = json.load(answer)["FileStatuses"]["FileStatus"]
    except OSError as error:
        raise NotYet(str(error)) from error
    return {entry["pathSuffix"] for entry in found}


def _port(variable: str, default: int) -> int:
    return int(os.environ.get(variable, default))


def main() -> int:
    """Walk; 0, or 1 with what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trigger", default="120 seconds", help="of the job (default: 120 seconds)"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    addresses = Addresses()
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(scratch)
        walk = Walk(f"sluice-walk-{os.getpid()}", addresses.host, logs)
        try:
            with taken_down(walk):
                start(walk)
                messages = listen(walk, arguments.trigger)
                send(walk)
                read(walk, messages)
                query(walk)
        except (Failed, SluiceError) as error:
            print(f"the walk failed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
