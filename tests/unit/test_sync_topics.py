import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.protocol.errors import ProtocolError
from sync.protocol.topics import SHARDS, Topic, down, parse, shard_of, up


def test_a_topic_says_whom_it_concerns_and_which_way_it_leads():
    assert parse(up("pod-a1", "audit")) == Topic("pod-a1", "up", "audit")
    assert parse(down("pod-a1", "cmd")) == Topic("pod-a1", "down", "cmd")


def test_pods_are_spread_over_all_shards():
    shards = {shard_of(f"pod-{n}") for n in range(2000)}
    assert len(shards) == SHARDS
    assert shard_of("pod-1") == shard_of("pod-1")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "v2/s00/pod-a1/up/audit",
        "v1/s00/pod-a1/up/audit/more",
        "v1/s00/pod-a1/up/cmd",
        "v1/s00/pod-a1/down/audit",
        "v1/s00/pod-a1/up/+",
        "v1/+/pod-a1/up/audit",
        "v1/s00/#",
        "v1/s00/pod-A1/up/audit",
        "v1/s00/device-1/up/audit",
        f"v1/{shard_of('pod-a1')}/pod-a1/up/audit\n",
        "v1/s00/" + "pod-" + "a" * 60 + "/up/audit",
    ],
)
def test_another_topic_is_refused(topic):
    with pytest.raises(ProtocolError):
        parse(topic)


def test_a_pod_in_a_shard_that_is_not_its_own_is_refused():
    wrong = f"s{(int(shard_of('pod-a1')[1:]) + 1) % SHARDS:02}"
    with pytest.raises(ProtocolError, match="shard that is not its own"):
        parse(f"v1/{wrong}/pod-a1/up/audit")


@pytest.mark.parametrize("pod", ["pod-", "pod--a", "pod-a-", "POD-a", "pod-a/b", "pod-a+", "pod-" + "a" * 41])
def test_no_topic_is_made_for_an_id_that_cannot_be_issued(pod):
    with pytest.raises(ProtocolError, match="no id of a POD"):
        up(pod, "audit")


@given(st.text(max_size=80))
def test_no_text_whatever_is_met_by_anything_but_a_topic_or_a_refusal(text):
    with pytest.raises(ProtocolError):
        parse(text)
