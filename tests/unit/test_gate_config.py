"""The `gates:` part of a configuration: what is refused, and in which words."""

import re
from pathlib import Path

import pytest

from pod.config import GateConfig
from pod.config_load import load_config
from pod.domain.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
A_LINE = "gpio: {chip: pinctrl-rp1, line: 17}"
A_DEVICE = "http: {url: 'http://192.168.1.20/pulse?ms={pulse_ms}'}"


def load(tmp_path: Path, *settings: str) -> GateConfig:
    """The gate of a file that has these settings, one a line."""
    lines = ["cameras:", "  - {name: c, url: x.mp4, gate: g}", "gates:", "  - name: g"]
    file = tmp_path / "config.yaml"
    file.write_text("\n".join([*lines, *(f"    {setting}" for setting in settings)]) + "\n")
    return load_config(file).gates[0]


def http(**settings: str) -> str:
    return "http: {" + ", ".join(f"{name}: '{value}'" for name, value in settings.items()) + "}"


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        pytest.param(("driver: gpio",), "add gpio: under this gate", id="gpio-without-a-line"),
        pytest.param(("driver: http",), "add http: under this gate", id="http-without-an-address"),
        pytest.param((A_LINE,), "its driver does not read; remove them", id="a-line-nobody-reads"),
        pytest.param(("driver: gpio", A_LINE, A_DEVICE), "its driver does not read", id="both"),
        pytest.param(("driver: serial",), "must be one of simulated, gpio or http", id="unknown-driver"),
        pytest.param(("driver: gpio", "gpio: {chip: x, line: true}"), "must be text", id="line-is-true"),
        pytest.param(
            ("driver: gpio", "gpio: {chip: x, line: -1.5}"), "must be text", id="line-is-a-fraction"
        ),
        pytest.param(("driver: gpio", "gpio: {chip: x, line: -3}"), "is below zero", id="line-below-zero"),
        pytest.param(
            ("inputs: [{shows: open, chip: x, line: '-3'}]",), "is below zero", id="contact-line-below-zero"
        ),
        pytest.param(("driver: gpio", "gpio: {chip: '', line: 1}"), "must be 1 to 128", id="empty-chip"),
        pytest.param(
            ("driver: gpio", "gpio: {chip: x, line: 1, bias: pull_up}"),
            "use pull_down",
            id="a-bias-that-would-hold-the-relay",
        ),
        pytest.param(
            ("driver: gpio", "gpio: {chip: x, line: 1, active_low: true, bias: pull_down}"),
            "use pull_up",
            id="a-bias-that-would-hold-an-active-low-relay",
        ),
        pytest.param(("input: step",), "wire a contact that shows closed", id="step-without-a-contact"),
        pytest.param(
            ("input: step", "inputs: [{shows: open, driver: simulated}]"),
            "wire a contact that shows closed",
            id="step-with-the-wrong-contact",
        ),
        pytest.param(
            ("inputs: [{shows: open, driver: simulated}, {shows: open, driver: simulated}]",),
            "two inputs that show the same",
            id="two-of-a-kind",
        ),
        pytest.param(
            ("inputs: [{shows: open}]",), "needs the chip and the line", id="contact-without-a-line"
        ),
        pytest.param(
            ("inputs: [{shows: open, driver: simulated, line: 3}]",),
            "no chip and no line",
            id="simulated-line",
        ),
        pytest.param(
            ("driver: gpio", A_LINE, "inputs: [{shows: closed, chip: pinctrl-rp1, line: '17'}]"),
            "one line of a chip for two things",
            id="one-line-twice",
        ),
    ],
)
def test_a_gate_that_cannot_work_is_refused_with_its_mend(
    tmp_path: Path, settings: tuple[str, ...], mend: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(mend)):
        load(tmp_path, *settings)


@pytest.mark.parametrize(
    ("device", "mend"),
    [
        pytest.param(http(url="http://8.8.8.8/on"), "use https", id="plain-http-to-the-internet"),
        pytest.param(http(url="http://[2600::1]/on"), "use https", id="the-same-by-IPv6"),
        pytest.param(http(url="ftp://10.0.0.1/on"), "must be an http:// or https://", id="another-scheme"),
        pytest.param(http(url="10.0.0.1/on"), "must be an http:// or https://", id="no-scheme"),
        pytest.param(http(url="http://10.0.0.1/a b"), "without spaces", id="a-space"),
        pytest.param(http(url="http://10.0.0.1/tür"), "percent-encode", id="not-ASCII"),
        pytest.param(http(url="http://10.0.0.1/a\\r\\nX: y"), "without spaces", id="a-second-header"),
        pytest.param(http(url="http://10.0.0.1:99999/"), "is not a valid address", id="no-such-port"),
        pytest.param(http(url="http://u:swordfish@10.0.0.1/"), "username and password", id="credentials"),
        pytest.param(http(url="http://10.0.0.1/#on"), "%23", id="a-fragment"),
        pytest.param(http(url="http://10.0.0.1/{plate}"), "does not exist", id="unknown-placeholder"),
        pytest.param(http(url="http://10.0.0.1/{gate"), "does not exist", id="an-open-brace"),
        pytest.param(http(url="http://{gate}.lan/"), "path and query only", id="placeholder-in-the-host"),
        pytest.param(http(url="http://a.lan/", password="x"), "without a username", id="lonely-password"),
        pytest.param(
            http(url="http://a.lan/", username="u", token="x"), "takes one of them", id="two-ways-to-sign-in"
        ),
        pytest.param(http(url="http://a.lan/", username="u:v"), "with a colon", id="colon-in-the-name"),
        pytest.param(http(url="http://a.lan/", token="swordfish-ü"), "not plain ASCII", id="odd-token"),
        pytest.param(
            http(url="http://a.lan/", certificate="x.pem"), "plain http", id="certificate-for-nothing"
        ),
    ],
)
def test_a_device_that_cannot_be_asked_safely_is_refused_with_its_mend(
    tmp_path: Path, device: str, mend: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(mend)) as caught:
        load(tmp_path, "driver: http", device)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("setting", ["on_url", "off_url", "off", "close_url"])
def test_separate_addresses_for_on_and_off_are_refused_because_an_off_can_get_lost(
    tmp_path: Path, setting: str
) -> None:
    with pytest.raises(ConfigError, match=rf"gates\.0\.http\.{setting}: .*time it by itself"):
        load(tmp_path, "driver: http", f"http: {{url: 'http://10.0.0.1/on', {setting}: 'http://10.0.0.1/x'}}")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.20/relay/0?turn=on&timer={pulse_s}",
        "http://[fe80::1]:8080/pulse",
        "http://gate.local/{gate}/{pulse_id}?ms={pulse_ms}",
        "http://100.64.0.9/on",
        "https://example.com/on",
    ],
    ids=repr,
)
def test_a_device_in_reach_is_taken(tmp_path: Path, url: str) -> None:
    gate = load(tmp_path, "driver: http", f"http: {{url: '{url}'}}")
    assert gate.http is not None
    assert gate.http.url == url


def test_a_line_may_be_a_number_or_a_name(tmp_path: Path) -> None:
    numbered = load(tmp_path, "driver: gpio", A_LINE)
    named = load(tmp_path, "driver: gpio", "gpio: {chip: pinctrl-rp1, line: GPIO17}")
    assert numbered.gpio is not None
    assert named.gpio is not None
    assert (numbered.gpio.line, named.gpio.line) == ("17", "GPIO17")


def test_the_secrets_of_a_device_are_known_to_the_log(tmp_path: Path) -> None:
    device = "http: {url: 'http://10.0.0.1/', username: u, password: swordfish}"
    assert load(tmp_path, "driver: http", device).secrets() == ("swordfish",)
    assert load(tmp_path, "driver: http", http(url="http://a.lan/", token="marlin")).secrets() == ("marlin",)


def test_the_certificate_of_a_device_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    gate = load(tmp_path, "driver: http", http(url="https://a.lan/", certificate="device.pem"))
    assert gate.http is not None
    assert gate.http.certificate == str(tmp_path / "device.pem")


@pytest.mark.parametrize("driver", ["gpio", "http"])
def test_the_blocks_of_the_example_work_when_they_are_switched_on(tmp_path: Path, driver: str) -> None:
    text = EXAMPLE.read_text().replace("driver: simulated", f"driver: {driver}")
    for block in (driver, "inputs"):
        text = re.sub(
            rf"(?m)^    # {block}:\n(    #.*\n)+",
            lambda found: re.sub(r"(?m)^    # ?", "    ", found[0]),
            text,
        )
    text = re.sub(r"(?m)^ +token: .*\n", "", text).replace("http://192", "https://192")
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "gate-device"
    secret.write_text("swordfish\n")
    secret.chmod(0o600)
    (tmp_path / "config.yaml").write_text(text)
    gate = load_config(tmp_path / "config.yaml").gates[0]
    assert (gate.gpio is None, gate.http is None) == (driver == "http", driver == "gpio")
    assert [one.shows for one in gate.inputs] == ["closed"]


def test_two_gates_cannot_share_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gates: use one line of a chip for two things"):
        load(tmp_path, "driver: gpio", A_LINE + "\n  - name: h\n    driver: gpio\n    " + A_LINE)
