"""Backends: how roles run. One contract (:class:`pytest_sluice.contracts.Backend`), one test."""
