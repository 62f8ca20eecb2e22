"""Deliveries that are disturbed on purpose: nothing is lost, and what must keep its order keeps it."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "infra/emulator"))

from disturbed import Disturbances, stream_records  # noqa: E402


def records(*keys, stream="arn:s"):
    return [
        {"eventSource": "aws:dynamodb", "eventSourceARN": stream, "dynamodb": {"Keys": {"pk": {"S": key}}}, "n": n}
        for n, key in enumerate(keys)
    ]


def flat(batches):
    return [record["n"] for batch in batches for record in batch]


def test_nothing_is_disturbed_until_it_is_asked_for():
    batch = records("P#1", "P#2")
    assert Disturbances().batches("f", batch) == [batch]


def test_a_batch_comes_again_after_the_next_to_the_same_function():
    disturbances = Disturbances()
    assert disturbances.switch("/_ims/streams/repeat/on") == {"repeat": True, "reorder": False, "repeated": 0, "reordered": 0}
    one, two, other = records("P#1"), records("P#2"), records("P#3")
    assert disturbances.batches("f", one) == [one]
    assert disturbances.batches("g", other) == [other]
    assert disturbances.batches("f", two) == [two, one]
    assert disturbances.switch("/_ims/streams/repeat/off")["repeated"] == 1
    assert disturbances.batches("f", one) == [one]


def test_shards_come_in_any_order_and_a_key_keeps_its_own():
    keys = [f"P#{n % 7}" for n in range(70)] + ["MARK#1"]
    orders = set()
    for seed in range(5):
        disturbances = Disturbances()
        disturbances.switch("/_ims/streams/reorder/on", str(seed))
        batches = disturbances.batches("f", records(*keys))
        order = flat(batches)
        assert sorted(order) == list(range(71)) and order[-1] == 70
        for key in range(7):
            mine = [n for n in order if n < 70 and n % 7 == key]
            assert mine == sorted(mine)
        orders.add(tuple(order))
        assert disturbances.counts["reordered"] == 1
    assert len(orders) > 1


def test_switches():
    disturbances = Disturbances()
    assert disturbances.switch("/_ims/twice/on") == {"twice": True} and disturbances.twice
    assert disturbances.switch("/_ims/twice/off") == {"twice": False} and not disturbances.twice
    for path in ("/_ims/twice", "/_ims/streams/twice/on", "/_ims/requests", "/"):
        assert disturbances.switch(path) is None


def test_only_records_of_tables_are_stream_records():
    assert stream_records({"Records": records("P#1")}) and stream_records(records("P#1"))
    for event in ({}, [], None, "x", {"Records": []}, {"Records": [{"eventSource": "aws:sqs"}]}, {"Records": ["x"]}):
        assert stream_records(event) is None, event
