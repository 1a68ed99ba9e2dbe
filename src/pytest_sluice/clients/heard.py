"""Why a client of kafka-python found no broker: it logs the reasons, and raises none of them."""

import logging

# Who connects, on a thread that has the client's name in its own.
LOGGER = "kafka.net.manager"


class Heard(logging.Handler):
    """Listens to one client, by its ``client_id``, for as long as the block."""

    def __init__(self, client_id: str) -> None:
        super().__init__(logging.WARNING)
        self._client_id = client_id
        self._reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is told of an error."""
        if record.threadName and record.threadName.endswith(self._client_id):
            arguments = record.args if isinstance(record.args, tuple) else ()
            self._reasons += [str(each) for each in arguments if isinstance(each, Exception)]

    def __enter__(self) -> "Heard":
        """Listen."""
        logging.getLogger(LOGGER).addHandler(self)
        return self

    def __exit__(self, *_raised: object) -> None:
        """Listen no more."""
        logging.getLogger(LOGGER).removeHandler(self)

    def reason(self) -> str:
        """A refusal, where there was one: connections are closed without a word as often.

        Empty where nothing was told.
        """
        refusals = [reason for reason in self._reasons if "Authentication" in reason]
        return (refusals or self._reasons or [""])[0]
