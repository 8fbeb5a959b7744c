"""Events from threads to listeners on the event loop."""

import asyncio
import threading

from pod.runtime.broadcast import QUEUE_EVENTS, Broadcast


async def test_events_published_by_another_thread_arrive_in_order() -> None:
    broadcast = Broadcast()
    with broadcast.listen() as events:
        publisher = threading.Thread(target=lambda: [broadcast.publish({"n": n}) for n in range(5)])
        publisher.start()
        received = [(await anext(events))["n"] for _ in range(5)]
        publisher.join()
    assert received == list(range(5))


async def test_a_listener_that_falls_behind_is_let_go_and_the_others_go_on() -> None:
    broadcast = Broadcast()
    with broadcast.listen() as slow, broadcast.listen() as quick:
        for n in range(QUEUE_EVENTS + 1):
            broadcast.publish({"n": n})
            await asyncio.sleep(0)
            assert (await anext(quick))["n"] == n
        seen = [event["n"] async for event in slow]
    assert len(seen) < QUEUE_EVENTS + 1, "the slow listener's events must end"
    assert broadcast.dropped_listeners == 1


async def test_publishing_after_the_loop_has_closed_is_harmless() -> None:
    broadcast = await asyncio.to_thread(lambda: asyncio.run(_made()))
    broadcast.publish({"n": 1})


async def _made() -> Broadcast:
    return Broadcast()
