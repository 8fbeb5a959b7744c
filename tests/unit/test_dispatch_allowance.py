"""So much at once, then at a pace, for each POD by itself."""

from sync.cloud.allowance import Allowance


def test_a_pod_may_ask_for_so_much_at_once_and_then_at_a_pace():
    allowance = Allowance(at_once=3, per_s=0.5)
    assert [allowance.takes("pod-a", 10.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.takes("pod-a", 11.9)
    assert allowance.takes("pod-a", 12.0)
    assert not allowance.takes("pod-a", 12.1)
    assert [allowance.takes("pod-a", 1000.0) for _ in range(4)] == [True, True, True, False]
    assert allowance.refused == 4


def test_what_costs_more_takes_more_and_a_refusal_costs_nothing():
    allowance = Allowance(at_once=1, per_s=0.1)
    assert allowance.takes("pod-a", 0.0, cost=0.6)
    assert not allowance.takes("pod-a", 0.0, cost=0.6)
    assert allowance.takes("pod-a", 0.0, cost=0.4)


def test_one_pods_flood_leaves_the_others_theirs():
    allowance = Allowance(at_once=1, per_s=0.1)
    assert [allowance.takes("pod-a", 0.0) for _ in range(100)].count(True) == 1
    assert allowance.takes("pod-b", 0.0)


def test_of_very_many_pods_the_one_that_asked_longest_ago_is_forgotten():
    allowance = Allowance(at_once=1, per_s=0.0, most_pods=2)
    assert all(allowance.takes(pod, 0.0) for pod in ("pod-a", "pod-b", "pod-c"))
    assert not allowance.takes("pod-c", 0.0)
    assert not allowance.takes("pod-b", 0.0)
    assert allowance.takes("pod-a", 0.0)
