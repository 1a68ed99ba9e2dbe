"""The real services' files: named by a committed lock, kept in a cache outside the clone, verified."""

from pytest_sluice.distributions.cache import cache_root, jars, java, missing, require
from pytest_sluice.distributions.problems import NotProvisioned, ProvisioningFailed
from pytest_sluice.distributions.provisioning import provision
from pytest_sluice.distributions.report import Report

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
