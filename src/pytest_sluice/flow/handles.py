"""What a test holds of a run: its topic, its API, its stream."""

import json
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

from pytest_sluice import offsets
from pytest_sluice.answers import Answers, parse_ab
from pytest_sluice.clients.kafka import Kafka, Message
from pytest_sluice.components.job import begun
from pytest_sluice.contracts import NO_COMMAND, Backend, Launch
from pytest_sluice.declaration import Burst, Query, trigger_interval
from pytest_sluice.distributions.bench_tool import BenchMissing
from pytest_sluice.errors import SluiceError
from pytest_sluice.offsets import Batch, Committed, Files, Offsets
from pytest_sluice.sinks import Progress
from pytest_sluice.traffic import ab_command

# The end of a job's log in which a query's start is looked for, from the process's own start on.
SIGN_LINES = 2000


class RunTopic:
    """The topic of one run."""

    def __init__(self, kafka: Kafka, name: str) -> None:
        self.kafka = kafka
        self.name = name

    def end_offsets(self) -> dict[int, int]:
        """The end offset of each partition."""
        return self.kafka.end_offsets(self.name)

    def messages(self) -> list[Message]:
        """Every message up to now."""
        return self.kafka.messages(self.name)

    def produce(self, values: Iterable[bytes | None]) -> None:
        """Send values in their order; acknowledged when this returns."""
        self.kafka.produce(self.name, values)


class RunProcess:
    """A component of a run as a process, to be looked at, killed and stopped."""

    def __init__(self, backend: Backend, role: str) -> None:
        self.backend = backend
        self.role = role

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.backend.exit_code(self.role)

    def logs(self, lines: int = 20) -> list[str]:
        """The last lines that it wrote."""
        return self.backend.logs(self.role, lines)

    def kill(self) -> None:
        """SIGKILL; dead when this returns."""
        self.backend.kill(self.role)

    def stop(self, grace: float = 10) -> int:
        """SIGTERM; the exit code."""
        return self.backend.stop(self.role, grace=grace)


class RunApi(RunProcess):
    """The API of one run. ``url`` is its address, without a path."""

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{self.backend.endpoint(self.role, 'http')}"

    def burst(self, burst: Burst) -> Answers:
        """Send a burst with the real ``ab``, and count every answer by its status.

        Raises BenchMissing where there is no ``ab`` beside the API.
        """
        beside = self.backend.endpoint(self.role, "http", "beside")
        command = tuple(ab_command(burst, beside.host, beside.port))
        # An API may take seconds to say that it cannot store one request.
        seconds = 60 + 10 * burst.requests
        done = self.backend.exec(self.role, Launch(command), seconds=seconds)
        if done.code == NO_COMMAND:
            facts = done.output.splitlines()[-3:]
            raise BenchMissing.told(f"a burst was to be sent where {self.role} runs", *facts)
        return parse_ab(done.stdout, burst.requests, exit_code=done.code, stderr=done.stderr)


@dataclass(frozen=True)
class LeftBehind:
    """The signs of a job's earlier lives when it was started: starts in its log, last batches."""

    starts: Set[tuple[str, str]]
    batches: Mapping[Query, tuple[int, int]]


class RunStream(RunProcess):
    """The job of one run, seen through the checkpoints of its queries."""

    def __init__(
        self, backend: Backend, role: str, files: Files, checkpoints: Mapping[Query, str]
    ) -> None:
        super().__init__(backend, role)
        self._files = files
        self._checkpoints = dict(checkpoints)

    @property
    def queries(self) -> tuple[Query, ...]:
        """The streaming queries, as declared."""
        return tuple(self._checkpoints)

    def pinned(self, query: Query) -> bool:
        """Whether the query has written down where it starts; from then on nothing is missed."""
        return offsets.pinned(self._files, self._checkpoints[query]) is not None

    def left_behind(self) -> LeftBehind:
        """The signs of earlier lives; of a job that runs there are none to be told apart."""
        with suppress(SluiceError):  # a role that was never started has no exit code
            if self.exit_code() is None:
                return LeftBehind(frozenset(), {})
        old = {query: self._batches(query) for query in self.queries if self.pinned(query)}
        return LeftBehind(begun(self.logs(SIGN_LINES)) if old else frozenset(), old)

    def has_begun(self, query: Query, before: LeftBehind) -> bool:
        """Whether the query shows a sign of life that it had not ``before``.

        That is a start in the log of the job, or a new batch in the query's checkpoint.
        """
        if query not in before.batches:
            return True
        starts = {start[0] for start in begun(self.logs(SIGN_LINES)) - before.starts}
        return self._id(query) in starts or self._batches(query) != before.batches[query]

    def _id(self, query: Query) -> str:
        """The id that Spark gave the query with its checkpoint; empty where there is none."""
        content = self._files.read(f"{self._checkpoints[query]}/metadata") or b"{}"
        try:
            return str(json.loads(content)["id"])
        except (ValueError, LookupError, TypeError):
            return ""

    def _batches(self, query: Query) -> tuple[int, int]:
        """The number of the last batch that is planned, and of the last that is committed."""
        planned, done = (
            max((int(n) for n in self._files.names(folder) if n.isdecimal()), default=-1)
            for folder in (f"{self._checkpoints[query]}/{part}" for part in ("offsets", "commits"))
        )
        return planned, done

    def committed(self, query: Query) -> Committed | None:
        """The last committed micro-batch of the query; None before the first."""
        return offsets.committed(self._files, self._checkpoints[query])

    def start_offsets(self, query: Query) -> Offsets:
        """Where the query started, by topic and partition; empty before it has pinned that."""
        return offsets.pinned(self._files, self._checkpoints[query]) or {}

    def progress(self, query: Query) -> Progress:
        """The last batch that the query committed, and the last that it began."""
        checkpoint = self._checkpoints[query]
        done = offsets.committed(self._files, checkpoint)
        return Progress(done.batch if done else -1, offsets.begun(self._files, checkpoint))

    def batches(self, query: Query, after: int = -1) -> tuple[Batch, ...]:
        """The micro-batches, with greater numbers than ``after``, that the query began."""
        return offsets.batches(self._files, self._checkpoints[query], after)

    def interval(self, query: Query) -> str:
        """The query's trigger interval, as Spark writes it."""
        return trigger_interval(query)
