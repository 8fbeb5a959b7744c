"""Log lines: one record is one line, complete, and no secret gets into it."""

import io
import json
import logging
import time
from collections.abc import Iterator

import pytest

from pod.runtime.logs import Redactor, configure_logging

CANARY = "can4ry-Secret"


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture(params=["human", "json"])
def lines(request: pytest.FixtureRequest, root_logging: None) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(request.param, "info", secrets=[CANARY, "pin"], stream=stream)
    return stream


def _fail_with(text: str) -> None:
    try:
        raise OSError(text)
    except OSError:
        logging.exception("camera failed")


@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda: logging.error("open rtsp://admin:%s@10.0.0.2/live", CANARY), id="url"),
        pytest.param(lambda: logging.error("open RTSPS://:%s@cam", CANARY), id="upper-case-url"),
        pytest.param(lambda: logging.error("open rtsp://a:x/%s@y@cam/", CANARY), id="url-with-raw-slash"),
        pytest.param(lambda: logging.error("Authorization: Basic %s==", CANARY), id="header"),
        pytest.param(lambda: logging.error("the word is %s", CANARY), id="known-secret"),
        pytest.param(lambda: logging.error("x", extra={"why": f"said {CANARY}"}), id="extra"),
        pytest.param(lambda: logging.error("x", extra={"why": {CANARY: [CANARY]}}), id="nested-extra"),
        pytest.param(lambda: _fail_with(f"rtsp://a:{CANARY}@cam"), id="exception"),
        pytest.param(lambda: logging.error("x", extra={"why": OSError(CANARY)}), id="object"),
    ],
)
def test_no_secret_reaches_a_line(lines: io.StringIO, say) -> None:
    say()
    assert lines.getvalue()
    assert CANARY not in lines.getvalue()


def test_credentials_in_addresses_are_struck_out_though_nobody_listed_them(lines: io.StringIO) -> None:
    logging.error("open rtsp://admin:unlisted@10.0.0.2/live")
    assert "unlisted" not in lines.getvalue()
    assert "rtsp://***@10.0.0.2/live" in lines.getvalue()


def test_a_token_in_the_query_of_an_address_is_struck_out_whatever_its_name(lines: io.StringIO) -> None:
    logging.error("open rtsp://10.0.0.2/x?tok=unlisted&channel=2")
    assert "rtsp://10.0.0.2/x?tok=***&channel=2" in lines.getvalue()


@pytest.mark.parametrize("text", ["a" * 20_000, "a.b+" * 5_000], ids=["one-word", "parts"])
def test_a_word_without_end_holds_up_no_thread_on_its_way_to_the_log(text: str) -> None:
    begun_s = time.thread_time()
    assert Redactor()(text) == text
    assert time.thread_time() - begun_s < 0.5


def test_a_secret_too_short_to_hide_leaves_the_words_readable(lines: io.StringIO) -> None:
    logging.error("spinning")
    assert "spinning" in lines.getvalue()


def test_text_from_outside_cannot_forge_a_second_line(lines: io.StringIO) -> None:
    logging.error("read %s", "AB123\n12:00:00 ERROR forged\u2028more\x1b[31m", extra={"plate": "X\nforged"})
    assert len(lines.getvalue().splitlines()) == 1
    assert "\x1b" not in lines.getvalue()


def test_levels_below_the_configured_one_are_silent(lines: io.StringIO) -> None:
    logging.debug("quiet")
    assert lines.getvalue() == ""


def test_a_json_line_carries_time_level_logger_message_extras_and_trace(root_logging: None) -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream=stream)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("pod.x").exception(
            "plate %s", "ÄB 1", extra={"camera": "front", "lag_s": 0.5, "score": float("nan")}
        )
    line = json.loads(stream.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert line["level"] == "error"
    assert line["logger"] == "pod.x"
    assert line["message"] == "plate ÄB 1"
    assert (line["camera"], line["lag_s"], line["score"]) == ("front", 0.5, "nan")
    assert line["time"].endswith("+00:00")
    assert "ValueError: why" in line["trace"]


def test_an_extra_cannot_pose_as_the_record_itself(root_logging: None) -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream=stream)
    logging.warning("real", extra={"level": "debug", "time": "never"})
    assert json.loads(stream.getvalue())["level"] == "warning"


def test_a_human_line_ends_with_its_extras(root_logging: None) -> None:
    stream = io.StringIO()
    configure_logging("human", "info", stream=stream)
    logging.getLogger("pod.gate").warning("opened", extra={"gate": "main"})
    assert stream.getvalue().endswith(" WARNING pod.gate: opened  gate=main\n")
