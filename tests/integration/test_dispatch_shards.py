"""Workers of a service share the PODs out, and take over from one that died."""

import os
import signal
import subprocess
import sys
import time

from cloud_database import Database

from sync.cloud.database import connect
from sync.cloud.shards import ShardLocks
from sync.protocol.topics import SHARDS

WORKER = """
import asyncio, sys
from sync.cloud.database import Dsn, connect
from sync.cloud.shards import ShardLocks
async def main():
    async with connect(Dsn.parse(sys.argv[1])) as conn:
        shards = ShardLocks(conn, of="dispatch")
        await shards.join()
        while True:
            print(len(await shards.balance()), flush=True)
            await asyncio.sleep(0.05)
asyncio.run(main())
"""


async def test_one_worker_owns_all_and_gives_half_to_a_second(cloud_database: Database):
    async with connect(cloud_database.dsn()) as one, connect(cloud_database.dsn()) as two:
        first, second = ShardLocks(one, of="dispatch"), ShardLocks(two, of="dispatch")
        await first.join()
        assert len(await first.balance()) == SHARDS
        await second.join()
        assert len(await second.balance()) == 0
        assert len(await first.balance()) == SHARDS // 2
        assert len(await second.balance()) == SHARDS // 2
        assert not first.owned & second.owned


async def test_services_share_their_shards_out_apart(cloud_database: Database):
    async with connect(cloud_database.dsn()) as one, connect(cloud_database.dsn()) as two:
        dispatch, bridge = ShardLocks(one, of="dispatch"), ShardLocks(two, of="bridge")
        await dispatch.join()
        await bridge.join()
        assert len(await dispatch.balance()) == len(await bridge.balance()) == SHARDS


async def test_the_shards_of_a_killed_worker_are_taken_within_seconds(cloud_database: Database):
    conninfo = cloud_database.dsn().conninfo
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, conninfo], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == SHARDS
        async with connect(cloud_database.dsn()) as conn:
            shards = ShardLocks(conn, of="dispatch")
            await shards.join()
            while len(await shards.balance()) < SHARDS // 2:
                pass
            os.kill(other.pid, signal.SIGKILL)
            killed_s = time.monotonic()
            while len(await shards.balance()) < SHARDS:
                pass
            assert time.monotonic() - killed_s < 5
