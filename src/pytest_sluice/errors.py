"""The errors of pytest-sluice: what went wrong, what was checked, what to do about it."""

from collections.abc import Sequence


class SluiceError(Exception):
    """An error that tells its cause, what was checked, and the remedy.

    ``cause`` is one sentence; ``checked`` are the facts that were looked at, a line each;
    ``remedy`` names the exact option or command that helps.
    """

    def __init__(self, cause: str, *, checked: Sequence[str] = (), remedy: str = "") -> None:
        self.cause = cause
        self.checked = tuple(checked)
        self.remedy = remedy
        super().__init__(self._story())

    def told_after(self, earlier: Sequence[str]) -> None:
        """Begin the story with what broke before, the first of it first."""
        if earlier:
            self.cause = "; then: ".join([f"first: {earlier[0]}", *earlier[1:], self.cause])
            self.args = (self._story(),)

    def _story(self) -> str:
        lines = [self.cause, *(f"  checked: {fact}" for fact in self.checked)]
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class BadDeclaration(SluiceError):
    """The pipeline's declaration, a setting or an option has a value that cannot be used."""


class ServiceNotReady(SluiceError):
    """A role died, or did not answer a real request before the deadline."""


class Unsupported(SluiceError):
    """The backend at hand cannot do this; the tests that need it say so by name."""


class ClusterLost(SluiceError):
    """The supervisor that owns the cluster is gone, so nothing more can be asked of it."""
