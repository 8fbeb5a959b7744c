from benchmarks import decision
from benchmarks.targets import load_targets


def test_index_and_linear_scan_decide_every_reading_alike():
    figures = decision.measure(plates=3_000, readings=90, scans=90)
    targets, _ = load_targets()
    assert {target.metric for target in targets["decision"]} <= figures.keys()
    assert figures["decided_differently"] == 0
    assert figures["index_to_scan"] < 0.5
    assert 20 < figures["opened_percent"] < 80
    assert figures["near_match_percent"] > 0
