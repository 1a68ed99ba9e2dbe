"""Hops: what breaks within one stops the run there, and says what it was."""

import pytest

from pytest_sluice.errors import SluiceError
from pytest_sluice.flow.hops import Stopped, hop


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SluiceError("no broker", remedy="start one"), "no broker\n  remedy: start one"),
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused"),
        (ValueError("no footer"), "ValueError: no footer"),
    ],
)
def test_whatever_breaks_is_told_with_its_stage(error: Exception, told: str) -> None:
    with pytest.raises(Stopped) as stopped, hop("hdfs", "counting"):
        raise error
    assert stopped.value.stage == "hdfs"
    assert stopped.value.reason == f"counting: {told}"


def test_an_error_of_our_own_code_is_none_of_the_pipeline() -> None:
    with pytest.raises(TypeError), hop("hdfs"):
        raise TypeError


def test_a_stop_within_a_hop_stays_where_it_was() -> None:
    with pytest.raises(Stopped) as stopped, hop("presto"):
        raise Stopped("api", "404")
    assert stopped.value.stage == "api"
