"""The real services' files: named by a committed lock, verified, in a cache outside the clone."""

from collections.abc import Iterable

from pytest_sluice.distributions.cache import cache_root, jars, java, missing, require
from pytest_sluice.distributions.problems import NotProvisioned, ProvisioningFailed
from pytest_sluice.distributions.report import SILENT, Report

__all__ = [
    "NotProvisioned",
    "ProvisioningFailed",
    "Report",
    "cache_root",
    "jars",
    "java",
    "missing",
    "provision",
    "require",
]


def provision(
    names: Iterable[str] | None = None, report: Report = SILENT, *, thorough: bool = False
) -> None:
    """Set up these distributions (default: all) in the cache, healing what was changed.

    ``thorough`` reads every file again. Raises ProvisioningFailed; what was complete and verified
    by then is kept.
    """
    from pytest_sluice.distributions.provisioning import provision_all

    provision_all(names, report, thorough)
