"""The peak of something that grows and shrinks: memory of processes, or of containers.

Of processes it is the sum of their proportional set sizes (PSS), so that what several of them map
is counted once. Of containers it is what their cgroups use without the inactive file cache, as
`docker stats` has it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from pytest_sluice.backends.engine import containers
from pytest_sluice.errors import SluiceError
from pytest_sluice.protocol import MARK

MIB = 2**20


class Peak:
    """Samples a number of bytes in a thread, every so many seconds."""

    def __init__(self, measure: Callable[[], int], every: float = 0.2) -> None:
        self._measure = measure
        self._every = every
        self._stop = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End the sampling; the peak in bytes."""
        self._stop.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, self._measure())
            if self._stop.wait(self._every):
                return


def below(process: psutil.Process) -> Callable[[], int]:
    """Measures everything below a process."""
    return lambda: sum(map(_pss, _family(process)))


def marked(process: psutil.Process, directory: Callable[[], Path | None]) -> Callable[[], int]:
    """Measures what carries the mark of a cluster, below a process; 0 while there is none."""

    def measure() -> int:
        mark = directory()
        return sum(_pss(each) for each in _family(process) if mark and _carries(each, mark))

    return measure


def contained(label: Callable[[], str]) -> Callable[[], int]:
    """Measures the containers with a label; 0 while it is empty."""

    def measure() -> int:
        with suppress(SluiceError):
            return sum(_used(each) for each in (containers(label()) if label() else ()))
        return 0  # what was listed a moment ago is being removed

    return measure


def _family(process: psutil.Process) -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        yield from process.children(recursive=True)


def _carries(process: psutil.Process, mark: Path) -> bool:
    with suppress(psutil.Error):
        return process.environ().get(MARK) == str(mark)
    return False


def _pss(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def _used(container: object) -> int:
    from docker.errors import DockerException

    with suppress(DockerException, KeyError):  # without a figure: not running, or no more
        memory = container.stats(stream=False, one_shot=True)["memory_stats"]  # type: ignore[attr-defined]
        details = memory["stats"]
        # By its name in the first and in the second version of cgroups.
        cache = details.get("total_inactive_file", details.get("inactive_file", 0))
        return int(memory["usage"]) - int(cache)
    return 0
