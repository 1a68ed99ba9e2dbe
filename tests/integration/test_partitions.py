"""A topic of several partitions: the same counts at every hop, and each partition of its own."""

from collections import Counter
from dataclasses import replace

import pytest

from pytest_sluice import Burst
from pytest_sluice.flow.landing import Lander
from pytest_sluice.flow.run import Run

USER = (("Host", "user1.comcast.com"),)
TRAFFIC = [
    Burst(12, "/purchase_bow", USER),
    Burst(9, "/join_a_guild", USER),
    Burst(6, "/attack_enemy", USER),
]


@pytest.mark.report
def test_a_run_over_three_partitions_lands_whole(sluice_own_run: Run) -> None:
    run = sluice_own_run
    run.pipeline = replace(run.pipeline, topic=replace(run.pipeline.topic, partitions=3))
    landing = Lander(run).land(TRAFFIC)
    assert landing.landed, landing.story()

    messages = Counter(message.partition for message in run.topic.messages())
    assert messages.keys() == {0, 1, 2}
    ends = {run.names.topic: dict(messages)}
    assert landing.ends == ends
    assert landing.committed == {"events": ends}
    assert landing.ledger.answers == {200: 27}
    assert landing.ledger.messages == {"purchase_bow": 12, "join_guild": 9, "attack_enemy": 6}
    assert landing.ledger.visible == {"purchases": 12, "guild_membership": 9, "rejected": 0}
