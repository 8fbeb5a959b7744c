"""Which of a cloud's brokers to connect to: the nearest first, equally near ones shared out by chance."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from random import Random

from sync.mqtt import BrokerAddress

MEASURE_S = 3.0
"""A broker that takes longer to connect to counts as out of reach, and is tried last."""

ALIKE_S = 0.005
"""Round trips that differ by less are the same."""

MUCH_NEARER = 0.5
"""Another broker is worth a move where its round trip is less than this part of the present one's."""


def in_order(
    round_trips_s: Mapping[BrokerAddress, float | None], *, chance: Random
) -> Sequence[BrokerAddress]:
    """The brokers, nearest first; those out of reach (None) last. Pure.

    Args:
        chance: decides among those that are equally near.
    """

    def rank(address: BrokerAddress) -> tuple[float, float]:
        round_trip_s = round_trips_s[address]
        steps = float("inf") if round_trip_s is None else round_trip_s // ALIKE_S
        return steps, chance.random()

    return sorted(round_trips_s, key=rank)


def is_worth_a_move(round_trips_s: Mapping[BrokerAddress, float | None], present: BrokerAddress) -> bool:
    """Whether another broker is so much nearer that a break of the connection is worth it. Pure."""
    now_s = round_trips_s.get(present)
    others_s = [one for address, one in round_trips_s.items() if address != present and one is not None]
    if now_s is None or not others_s:
        return False
    return min(others_s) < now_s * MUCH_NEARER and now_s - min(others_s) > ALIKE_S


async def round_trips_s(addresses: Sequence[BrokerAddress]) -> dict[BrokerAddress, float | None]:
    """How long each takes to answer a connection, seconds; None where it is out of reach."""
    async with asyncio.TaskGroup() as tasks:
        asked = {
            address: tasks.create_task(_round_trip_s(address), name=f"round trip to {address}")
            for address in dict.fromkeys(addresses)
        }
    return {address: task.result() for address, task in asked.items()}


async def _round_trip_s(address: BrokerAddress) -> float | None:
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(MEASURE_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:  # TimeoutError is one
        return None
    took_s = time.monotonic() - began_s
    writer.transport.abort()
    return took_s
