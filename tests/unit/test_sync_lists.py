import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_messages import ZERO

from sync.protocol.down import ListChunk, ListDelta, Welcome
from sync.protocol.errors import ProtocolError
from sync.protocol.limits import CHUNK_BYTES, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_REFUSED, MAX_STEPS
from sync.protocol.listing import Changes, answer_want, delta_from
from sync.protocol.lists import EMPTY, digest_after, digest_of_list, entry_hash, in_chunks
from sync.protocol.replica import WANT_AGAIN_S, Replica
from sync.protocol.up import ListState, Receipt, WantList


class Lists:
    """A list in the cloud with all its past."""

    def __init__(self, entries=()) -> None:
        self.now = dict(entries)
        self.past = [dict(self.now)]

    def turn(self, put=(), gone=()) -> "Lists":
        self.now = {key: text for key, text in (self.now | dict(put)).items() if key not in gone}
        self.past.append(dict(self.now))
        return self

    def state(self, version: int = -1) -> ListState:
        number = version % len(self.past)
        entries = self.past[version].items()
        return ListState(version=number, digest=digest_of_list(entries)) if number else EMPTY

    def entries(self):
        return sorted(self.now.items())

    def changes_since(self, version, *, most):
        if version >= len(self.past):
            return None
        before = self.past[version]
        put = [(key, text) for key, text in self.now.items() if before.get(key) != text]
        gone = [key for key in before if key not in self.now]
        return None if len(put) + len(gone) > most else (self.state(version), Changes(put, gone))


class Store:
    """A POD's copy in memory."""

    def __init__(self, refuses=()) -> None:
        self.entries: dict[str, str] = {}
        self.listed = EMPTY
        self.refuses = dict.fromkeys(refuses, "twice")

    def state(self):
        return self.listed

    def hashes(self, ids):
        return {one: entry_hash((one, self.entries[one])) for one in ids if one in self.entries}

    def change(self, put, gone, to):
        self.entries = {k: v for k, v in (self.entries | dict(put)).items() if k not in gone}
        self.listed = to
        return self.refuses

    def replace(self, entries, to):
        self.entries, self.listed = dict(entries), to
        return self.refuses


def welcome(lists: Lists) -> Welcome:
    return Welcome(
        session="s1", number=0, time_s=1.0, line=1, spans=[(0, ZERO, 0, ZERO)], listed=lists.state()
    )


def asked(replica: Replica, lists: Lists, now_s: float = 0.0) -> tuple[WantList, list[ListDelta | ListChunk]]:
    replica.on_welcome(welcome(lists), now_s)
    want = replica.poll(max(now_s, replica.due_s()))
    assert want is not None
    return want, answer_want(lists, want)


def follow(replica: Replica, lists: Lists, now_s: float = 0.0) -> Receipt:
    receipts = [
        replica.on_delta(one, now_s) if isinstance(one, ListDelta) else replica.on_chunk(one, now_s)
        for one in asked(replica, lists, now_s)[1]
    ]
    (receipt,) = (one for one in receipts if one is not None)
    return receipt


def many(count: int, size: int = 400, *, of: str = "a") -> dict[str, str]:
    return {f"e{n}": json.dumps({"label": of * size}) for n in range(count)}


def test_a_new_pod_gets_the_whole_list_and_says_so():
    lists, store = Lists().turn(many(1000)), Store()
    replica = Replica(store, session="s1")
    receipt = follow(replica, lists)
    assert (store.entries, store.listed) == (lists.now, lists.state())
    assert receipt == Receipt(listed=lists.state())
    assert replica.poll(1e9) is None


def test_a_change_comes_as_what_changed_and_what_is_gone():
    lists, store = Lists().turn(many(10)), Store()
    replica = Replica(store, session="s1")
    follow(replica, lists)
    before = lists.state()
    lists.turn({"e3": '{"new":1}', "x": "{}"}, gone=["e4", "e5"])
    delta = delta_from(lists, before)
    assert delta is not None
    assert ([key for key, _ in delta.put], sorted(delta.gone)) == (["e3", "x"], ["e4", "e5"])
    assert replica.on_delta(delta, 0.0) == Receipt(listed=lists.state())
    assert store.entries == lists.now
    assert replica.on_delta(delta, 0.0) == Receipt(listed=lists.state()), "played again it changes nothing"


def test_a_delta_that_does_not_follow_is_asked_about_and_the_pod_catches_up():
    lists, store = Lists().turn(many(10)), Store()
    replica = Replica(store, session="s1")
    follow(replica, lists)
    middle = lists.turn(gone=["e1"]).state()
    lists.turn(gone=["e2"])
    delta = delta_from(lists, middle)
    assert delta is not None
    assert replica.on_delta(delta, 5.0) is None
    assert replica.due_s() == 5.0
    follow(replica, lists, 5.0)
    assert store.entries == lists.now


def test_a_cloud_that_was_restored_to_an_older_list_is_followed_back():
    lists, store = Lists().turn(many(10)), Store()
    replica = Replica(store, session="s1")
    for gone in ("e1", "e2", "e3"):
        lists.turn(gone=[gone])
    follow(replica, lists)
    restored = Lists().turn(many(10)).turn(gone=["e7"])
    follow(replica, restored)
    assert (store.entries, store.listed) == (restored.now, restored.state())


def test_an_older_list_that_comes_late_or_is_played_back_is_not_put_in_force():
    lists, store = Lists().turn(many(400)), Store()
    replica = Replica(store, session="s1")
    _, old = asked(replica, lists)
    lists.turn(gone=["e1"])
    follow(replica, lists, WANT_AGAIN_S)
    assert [replica.on_chunk(one, 9.0) for one in old] == [None] * len(old)
    assert store.entries == lists.now
    other = [one.model_copy(update={"session": "s0"}) for one in old]
    assert [replica.on_chunk(one, 9.0) for one in other] == [None] * len(other)


def test_chunks_that_were_lost_are_asked_for_alone():
    lists, store = Lists().turn(many(1000)), Store()
    replica = Replica(store, session="s1")
    _, chunks = asked(replica, lists)
    assert len(chunks) > 3
    for chunk in chunks[:1] + chunks[2:-1]:
        assert replica.on_chunk(chunk, 0.0) is None
    want = replica.poll(WANT_AGAIN_S)
    assert want is not None
    assert want.missing == [1, len(chunks) - 1]
    answers = answer_want(lists, want)
    assert [one.index for one in answers] == want.missing
    assert [replica.on_chunk(one, 6.0) for one in answers] == [None, Receipt(listed=lists.state())]


def test_a_list_that_changes_while_it_comes_begins_anew():
    lists, store = Lists().turn(many(1000)), Store()
    replica = Replica(store, session="s1")
    _, old = asked(replica, lists)
    replica.on_chunk(old[0], 0.0)
    lists.turn(gone=["e1"])
    want = replica.poll(WANT_AGAIN_S)
    answers = answer_want(lists, want)
    assert len(answers) == answers[0].count
    for chunk in (*answers[:-1], old[1], answers[-1]):
        replica.on_chunk(chunk, 6.0)
    assert store.entries == lists.now


@pytest.mark.parametrize(
    "change",
    [
        {"entries": [("e1", "{}")]},
        {"index": 7},
        {"count": 3},
    ],
    ids=["other entries", "a chunk beyond the last", "another count"],
)
def test_a_list_that_is_not_what_its_digest_says_is_dropped_and_asked_for_again(change):
    lists, store = Lists().turn(many(400)), Store()
    replica = Replica(store, session="s1")
    _, chunks = asked(replica, lists)
    for chunk in (chunks[0], *(one.model_copy(update=change) for one in chunks[1:])):
        assert replica.on_chunk(chunk, 0.0) is None
    assert replica.spoiled >= 1
    assert store.entries == {}
    follow(replica, lists, WANT_AGAIN_S)
    assert store.entries == lists.now


@pytest.mark.parametrize("change", [{"put": [("e1", '"x"')]}, {"gone": []}, {"gone": ["e3", "e9"]}])
def test_a_delta_that_is_not_what_its_digest_says_changes_nothing(change):
    lists, store = Lists().turn(many(5)), Store()
    replica = Replica(store, session="s1")
    follow(replica, lists)
    before, kept = lists.state(), dict(store.entries)
    lists.turn({"e9": "{}"}, gone=["e3"])
    delta = delta_from(lists, before)
    assert delta is not None
    assert replica.on_delta(delta.model_copy(update=change), 0.0) is None
    assert (replica.spoiled, store.entries, store.listed) == (1, kept, before)


def test_a_welcome_confirms_the_list_in_force_or_makes_the_pod_ask():
    lists, store = Lists().turn(many(5)), Store()
    replica = Replica(store, session="s1")
    assert not replica.on_welcome(welcome(lists), 0.0)
    follow(replica, lists)
    assert replica.on_welcome(welcome(lists), 9.0)
    assert replica.confirmed
    replica.disconnected()
    assert not replica.confirmed


def test_entries_that_cannot_be_put_in_force_are_named_up_to_a_bound():
    lists, store = Lists().turn(many(5)), Store(refuses=[f"e{n}" for n in range(MAX_REFUSED + 20)])
    receipt = follow(Replica(store, session="s1"), lists)
    assert (len(receipt.refused), receipt.refused_count) == (MAX_REFUSED, MAX_REFUSED + 20)


def test_a_receipt_that_was_lost_is_said_again_with_all_that_it_named():
    lists, replica = Lists(), Replica(Store(refuses=["e1"]), session="s1")
    lists.turn({"e1": "one", "e2": "two"})
    delta = delta_from(lists, EMPTY)
    assert delta is not None
    first = replica.on_delta(delta, 0.0)
    assert first is not None
    assert first.refused_count == 1
    assert replica.on_delta(delta, 1.0) == first


def test_a_change_of_more_than_a_message_takes_comes_as_the_whole_list():
    lists = Lists().turn(many(MAX_STEPS + 1, 1))
    before = lists.state()
    lists.turn(many(MAX_STEPS + 1, 1, of="b"))
    assert delta_from(lists, before) is None
    wide = Lists().turn(many(50))
    before = wide.state()
    wide.turn(many(50, CHUNK_BYTES // 40))
    assert delta_from(wide, before) is None
    unlike = ListState(version=before.version, digest=ZERO)
    assert delta_from(wide, unlike) is None


def test_a_pod_that_has_the_newest_list_gets_nothing():
    lists = Lists().turn(many(5))
    assert answer_want(lists, WantList(session="s1", number=1, has=lists.state())) == []


@pytest.mark.parametrize(
    "entries",
    [{"e1": "x" * (MAX_ENTRY_BYTES + 1)}, {f"e{n}": "" for n in range(MAX_ENTRIES + 1)}],
    ids=["a giant entry", "a giant list"],
)
def test_a_list_that_no_pod_takes_is_named_where_it_is_kept(entries):
    lists = Lists()
    lists.now = entries
    lists.past.append({})
    with pytest.raises(ProtocolError, match=r"at most|takes"):
        answer_want(lists, WantList(session="s1", number=1, has=EMPTY))


def test_chunks_hold_all_entries_within_their_bounds():
    entries = list(many(1000).items())
    chunks = list(in_chunks(entries))
    assert [entry for chunk in chunks for entry in chunk] == entries
    assert max(map(len, chunks)) <= MAX_STEPS
    assert max(sum(len(text) for _, text in chunk) for chunk in chunks) <= CHUNK_BYTES
    assert list(in_chunks([])) == [[]]


@given(
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4)),
)
def test_a_digest_that_follows_a_change_is_that_of_the_whole_list(one, other):
    added = [entry_hash(entry) for entry in other.items() - one.items()]
    removed = [entry_hash(entry) for entry in one.items() - other.items()]
    assert digest_after(digest_of_list(one.items()), added=added, removed=removed) == digest_of_list(
        other.items()
    )
    assert (digest_of_list(one.items()) == digest_of_list(other.items())) == (one == other)
