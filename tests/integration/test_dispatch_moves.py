"""A cloud that moves tells its PODs, each of them until it is told no more."""

import psycopg
import pytest
from cloud_database import Database
from dispatch_broker import Mosquitto
from dispatch_world import StandInPod, dispatching, until
from pydantic import ValidationError

from sync.cloud.database import connect
from sync.cloud.dispatch import service
from sync.cloud.dispatch.moves import order_move, withdraw_move


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOVES_EVERY_S", 0.1)


async def test_a_pod_is_told_of_the_latest_move_of_its_community(
    cloud_database: Database, mosquitto: Mosquitto
):
    elm, oak = StandInPod(cloud_database), StandInPod(cloud_database, "pod-oak")
    async with connect(cloud_database.dsn()) as owner:
        first = await order_move(owner, portal="https://one.example", brokers=["mqtts://one.example:8883"])
        async with (
            dispatching(cloud_database, mosquitto.address),
            elm.online(mosquitto.address),
            oak.online(mosquitto.address),
        ):
            await until(lambda: elm.rehome and oak.rehome)
            assert elm.rehome is not None
            assert (elm.rehome.number, elm.rehome.portal) == (first, "https://one.example")
            second = await order_move(
                owner, portal="https://two.example", brokers=["wss://two.example/mqtt"], community="elm"
            )
            assert second > first
            await until(lambda: elm.rehome and elm.rehome.number == second)
            assert oak.rehome is not None
            assert oak.rehome.number == first


async def test_nobody_is_told_of_a_move_that_was_withdrawn(cloud_database: Database, mosquitto: Mosquitto):
    elm, oak = StandInPod(cloud_database), StandInPod(cloud_database, "pod-oak")
    async with connect(cloud_database.dsn()) as owner:
        number = await order_move(
            owner, portal="https://one.example", brokers=["mqtts://one.example:8883"], community="elm"
        )
        await withdraw_move(owner, number)
        await order_move(
            owner, portal="https://one.example", brokers=["mqtts://one.example:8883"], community="oak"
        )
    async with (
        dispatching(cloud_database, mosquitto.address) as dispatch,
        elm.online(mosquitto.address),
        oak.online(mosquitto.address),
    ):
        await until(lambda: dispatch.counters.moves_told > 2)
        assert oak.rehome is not None
        assert elm.rehome is None


@pytest.mark.parametrize(
    ("portal", "broker"),
    [
        pytest.param("http://one.example", "mqtts://one.example:8883", id="a_portal_without_tls"),
        pytest.param("https://one.example", "mqtt://one.example:1883", id="a_broker_without_tls"),
        pytest.param("https://one.example", "", id="no_broker"),
    ],
)
async def test_a_move_to_where_no_pod_would_go_is_not_ordered(
    cloud_database: Database, portal: str, broker: str
):
    async with connect(cloud_database.dsn()) as owner:
        with pytest.raises(ValidationError):
            await order_move(owner, portal=portal, brokers=[broker] if broker else [])


@pytest.mark.parametrize("brokers", ["{mqtt://x}", "{mqtts://x,NULL}", "{}", "{mqtts://x y}"])
def test_a_move_that_no_message_could_hold_is_refused_by_the_database(cloud_database: Database, brokers: str):
    with pytest.raises(psycopg.errors.CheckViolation):
        cloud_database.run_as(
            "postgres", f"INSERT INTO platebridge.move (portal, brokers) VALUES ('https://x', '{brokers}')"
        )
