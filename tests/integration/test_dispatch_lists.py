"""A change of the cloud's list is in force on a POD within two seconds, whatever was missed before."""

import time

from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import StandInPod, add, dispatching, receipt, remove, until


async def test_an_entry_of_the_portal_is_in_force_on_a_pod_within_two_seconds(
    cloud_database: Database, mosquitto: Mosquitto
):
    pod = StandInPod(cloud_database)
    async with dispatching(cloud_database, mosquitto.address), pod.online(mosquitto.address):
        add(cloud_database, "a")
        added_s = time.monotonic()
        await until(lambda: pod.plates == {"a"})
        assert time.monotonic() - added_s < 2
        await until(lambda: receipt(cloud_database) == pod.newest())
        remove(cloud_database, "a")
        add(cloud_database, "b", "c")
        await until(lambda: pod.plates == {"b", "c"})
        assert [channel for channel, _ in pod.frames] == ["list"] * len(pod.frames)
        assert pod.side.replica.spoiled == 0
