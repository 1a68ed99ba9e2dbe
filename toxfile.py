"""Let tox environments share one virtual environment: pyspark alone is half a gigabyte.

tox makes an environment anew when its directory was made for another name. Environments with
`runner = shared` all go by one name there; what is installed is still compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tox.plugin import impl
from tox.tox_env.api import ToxEnv
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister

NAME = "shared"


class SharedInfo(Info):
    """What tox remembers of a directory, less the name of the environment that made it."""

    @contextmanager
    def compare(
        self, value: Any, section: str, sub_section: str | None = None
    ) -> Iterator[tuple[bool, Any | None]]:
        """Compare as if every environment had the same name."""
        if section == ToxEnv.__name__:
            value = {**value, "name": NAME}
        with super().compare(value, section, sub_section) as compared:
            yield compared


class SharedRunner(VirtualEnvRunner):
    """A virtual environment that several environments run in."""

    @staticmethod
    def id() -> str:
        """As tox.ini names it."""
        return NAME

    @property
    def cache(self) -> Info:
        """What tox remembers of the directory."""
        return SharedInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Make `runner = shared` known."""
    register.add_run_env(SharedRunner)
