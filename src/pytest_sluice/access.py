"""Access: as whom, and how, the clients of a cluster speak to it. What is secret is never shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class _Unshown(str):
    """Text whose ``repr`` is ``***``: what a traceback prints of a frame's locals."""

    def __repr__(self) -> str:
        """Not the text."""
        return "***"


class Secret:
    """A text that no log, message or traceback shows.

    No dataclass, since ``asdict`` takes those apart.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the client that needs it."""
        return _Unshown(self._text)

    def __repr__(self) -> str:
        """Not the text; nor has ``str`` it."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Whether both are one text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """As of the text."""
        return hash(self._text)


def unshown(text: str) -> str:
    """The same text, not shown by ``repr``."""
    return _Unshown(text)


def forget_frames(error: BaseException, outer: BaseException | None = None) -> None:
    """Take the frames from an error and from its causes, since their locals hold a secret.

    A client has it in headers and in bytes that were sent, which no ``repr`` of ours hides.
    ``outer`` is the error that was being handled before, and keeps its frames.
    """
    errors: list[BaseException | None] = [error]
    while errors:
        each = errors.pop()
        if each is not None and each is not outer and each.__traceback__ is not None:
            each.__traceback__ = None
            errors += [each.__cause__, each.__context__]


@dataclass(frozen=True)
class KafkaAccess:
    """How a client of the brokers proves who it is; ``cafile`` has the authorities that it trusts.

    The names of protocols and mechanisms are Kafka's own: SASL_SSL, SCRAM-SHA-512.
    """

    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    cafile: str = ""

    @property
    def placeholders(self) -> dict[str, str]:
        """What the environment of a component may be told, by the name of the placeholder."""
        return {
            "kafka_security_protocol": self.security_protocol,
            "kafka_sasl_mechanism": self.sasl_mechanism,
            "kafka_username": self.username,
            "kafka_password": self.password.reveal(),
        }


@dataclass(frozen=True)
class PrestoAccess:
    """How a client of Presto proves who it is: a password goes over HTTPS only.

    ``catalogs`` are the names of the catalogs that map Parquet columns by ``position`` and ``name``
    where they are not those of an own cluster.
    """

    user: str = "sluice"
    password: Secret = field(default_factory=lambda: Secret(""))
    https: bool = False
    cafile: str = ""
    catalogs: Mapping[str, str] = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.https else "http"


@dataclass(frozen=True)
class Access:
    """Of every service that asks who one is; the defaults are those of a cluster that does not.

    ``hdfs_user`` is the name by which Hadoop's simple authentication goes; empty is the client's
    own choice. ``data_nodes`` are the addresses to which the NameNode sends a client of WebHDFS on,
    with those under which this client reaches them, where it does not under the former.
    """

    kafka: KafkaAccess = KafkaAccess()
    hdfs_user: str = ""
    data_nodes: Callable[[], Mapping[str, str]] = dict
    presto: PrestoAccess = PrestoAccess()
