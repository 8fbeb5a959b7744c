"""The relay and a real WebRTC receiver (aiortc's own), which reads the number drawn in every picture."""

from relay_fixtures import LENGTH, MadeUpCamera, Receiver, a_relay, until_soon


def follows(numbers: list[int]) -> bool:
    """Whether each picture is the next of the clip."""
    return all(later == (one + 1) % LENGTH for one, later in zip(numbers, numbers[1:], strict=False))


async def test_a_viewer_gets_every_picture_in_turn_as_the_camera_numbered_them():
    with MadeUpCamera() as camera:
        relay = a_relay(camera)
        async with Receiver(relay) as receiver:
            await until_soon(lambda: len(receiver.numbers) >= 30)
            assert follows(receiver.numbers[:30])
        relay.close()
