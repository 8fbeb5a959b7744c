"""What is shipped for brokers is what the code makes, so that both are tried together."""

from pathlib import Path

import pytest

from sync.cloud.brokers.mosquitto_config import PACKAGED, mosquitto_config, pods_rules, services_rules

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("mosquitto.conf", mosquitto_config(PACKAGED), id="config"),
        pytest.param("mosquitto-pods.acl", pods_rules(), id="pods"),
        pytest.param("mosquitto-services.acl", services_rules(), id="services"),
    ],
)
def test_the_shipped_file_is_the_one_that_is_tried(name: str, text: str) -> None:
    assert (DEPLOY / name).read_text() == text
