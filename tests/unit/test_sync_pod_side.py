import pytest
from sync_messages import COMMAND, DOWN, HELLO, KEYS, LISTED, POD, SIGNER, ZERO

from sync.protocol.down import Refused, Rehome, Welcome, channel_of, encode_down
from sync.protocol.framing import Versions
from sync.protocol.health import Presence, newer_presence
from sync.protocol.homes import Home, Homes
from sync.protocol.lists import EMPTY
from sync.protocol.pod_side import Frame, PodSide
from sync.protocol.up import Answer, Hello, decode_up
from sync_drill.disks import PodDisk


def a_side() -> PodSide:
    disk = PodDisk()
    side = PodSide(POD, session="s1", keys=KEYS, audit=disk, replica=disk, spent=disk)
    side.connected(0.0)
    return side


def said(frame: Frame) -> object:
    return decode_up(frame.content, pod=POD, channel=frame.channel)


def give(side: PodSide, message, now_s: float = 0.2):
    return side.receive(channel_of(message), encode_down(message, pod=POD, signer=SIGNER), now_s)


def a_welcome(**change: object) -> Welcome:
    good = Welcome(session="s1", number=0, time_s=1000.0, line=1, spans=[(0, ZERO, 0, ZERO)], listed=EMPTY)
    return good.model_copy(update=change)


def test_a_pod_says_hello_and_takes_a_welcome_for_time_list_and_home():
    side = a_side()
    (hello,) = side.poll(0.0)
    assert isinstance(said(hello), Hello)
    received = give(side, a_welcome())
    assert (received.is_welcome, received.confirmed_s) == (True, 1000.0)
    assert side.clock.latest_s(1.0) == 1001.0
    assert not give(side, a_welcome()).is_welcome, "the same again counts for nothing"


def test_a_welcome_that_names_another_list_confirms_nothing_and_makes_the_pod_ask():
    side = a_side()
    side.poll(0.0)
    assert give(side, a_welcome(listed=LISTED)).confirmed_s is None
    assert [frame.channel for frame in side.poll(0.3)] == ["reply"]


def test_a_command_is_handed_on_or_answered():
    side = a_side()
    side.poll(0.0)
    unsure = give(side, COMMAND.model_copy(update={"id": "c0"}))
    assert said(unsure.frames[0]) == Answer(id="c0", result="refused", reason="clock_unsure")
    give(side, a_welcome())
    assert give(side, COMMAND).carry_out == COMMAND
    done = Answer(id="c1", result="commanded", reason="by_hand")
    assert said(side.answered(done)) == done


@pytest.mark.parametrize(
    "content", [b"", b"\1\0garbage", b"\1\0" + HELLO.content()], ids=["nothing", "garbage", "hello"]
)
def test_what_cannot_be_used_is_dropped_counted_and_told(content):
    side = a_side()
    assert side.receive("cmd", content, 0.1).frames == []
    assert side.dropped == 1
    assert side.last_fault


def test_a_message_of_a_newer_version_is_answered_with_what_is_spoken_here():
    side = a_side()
    (answer,) = side.receive("ack", b"\x02\0?", 0.1).frames
    assert said(answer) == Versions((1,))
    side.receive("ack", b'\0{"speaks":[2,3]}', 0.1)
    assert side.cloud_speaks == (2, 3)


def test_what_the_cloud_refuses_is_told():
    side = a_side()
    give(side, Refused(reason="this POD is switched off"))
    assert side.last_fault == "this POD is switched off"


def test_every_message_of_the_cloud_can_come_at_any_time():
    side = a_side()
    for now_s in (0.0, 0.5):
        for message in DOWN:
            give(side, message, now_s)
        side.poll(now_s)
    side.disconnected()
    for message in DOWN:
        give(side, message, 1.0)
    assert side.poll(2.0) == []
    assert side.due_s() == float("inf")


OLD = Home("https://old.example", ("mqtts://old.example:8883",))
NEW = Home("https://new.example", ("mqtts://new.example:8883",))
MOVE = Rehome(number=1, portal=NEW.portal, brokers=list(NEW.brokers))


def test_a_move_keeps_the_old_address_until_the_new_one_answers():
    side = a_side()
    move = give(side, MOVE).rehome
    assert move is not None
    homes = Homes(OLD).told(move)
    assert [homes.to_try(n) for n in range(4)] == [NEW, OLD, NEW, OLD]
    assert homes.welcomed(OLD) == homes
    moved = homes.welcomed(NEW)
    assert (moved.current, moved.next, moved.to_try(1)) == (NEW, None, NEW)


def test_an_older_move_played_back_moves_nothing():
    moved = Homes(OLD).told(MOVE).welcomed(NEW)
    back = Rehome(number=1, portal=OLD.portal, brokers=list(OLD.brokers))
    assert moved.told(back) == moved
    assert moved.told(back.model_copy(update={"number": 2})).next == OLD


def test_a_later_move_replaces_one_that_never_came_about():
    third = Rehome(number=5, portal="https://third.example", brokers=["wss://third.example/mqtt"])
    assert Homes(OLD).told(MOVE).told(third).to_try(0).portal == third.portal


def test_a_last_will_of_an_older_session_says_nothing_of_a_newer_one():
    here, gone = Presence(session="s2", online=True), Presence(session="s1", online=False)
    assert newer_presence(None, gone) == gone
    assert newer_presence(here, gone) == here
    assert newer_presence(here, Presence(session="s2", online=False)).online is False
    assert newer_presence(gone, here) == here
