"""Loading a configuration: what is wrong is told all at once, each problem with its line and mend."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mutations import meet, spoilt
from promises import Prove

from pod.config import CameraConfig
from pod.config_load import load_config, load_rules
from pod.domain.errors import ConfigError

GOOD = """\
cameras:
  - name: front
    url: rtsp://192.0.2.1/live
    gate: main
gates:
  - name: main
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_config(text: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_config


def problems(path: Path) -> list[str]:
    """The lines of the error, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_a_small_configuration_takes_every_default(write) -> None:
    config = load_config(write(GOOD))
    assert config.cameras == (CameraConfig(name="front", url="rtsp://192.0.2.1/live", gate="main"),)
    assert (config.gates[0].pulse_ms, config.web.host, config.data_dir) == (
        500,
        "127.0.0.1",
        "/var/lib/platebridge",
    )


CAMERA_MENDS = [
    ("detect_fsp: 5", "cameras.0.detect_fsp: unknown setting; did you mean 'detect_fps'?", "slip-in-a-key"),
    ("detect_fps: fast", "cameras.0.detect_fps: must be a number", "text-for-a-number"),
    ("detect_fps: true", "cameras.0.detect_fps: must be a number", "truth-for-a-number"),
    ("detect_fps: '5'", "cameras.0.detect_fps: must be a number", "quoted-number"),
    ("detect_fps: 31", "cameras.0.detect_fps: must be at most 30.0", "too-high"),
    ("detect_fps: .nan", "cameras.0.detect_fps: must be a number", "not-a-number"),
    ("detect_fps: 1e999", "cameras.0.detect_fps: must be at most 30.0", "infinite"),
    ("min_plate_px: 7", "cameras.0.min_plate_px: must be at least 8", "too-low"),
    ("min_plate_px: 20.5", "cameras.0.min_plate_px: must be a whole number", "fraction-for-a-whole-number"),
    ("loop: 1", "cameras.0.loop: must be true or false", "number-for-truth"),
    ("direction: inn", "cameras.0.direction: must be one of in, out or both", "unknown-choice"),
    ("username: 12", "cameras.0.username: must be text; put it in quotes", "number-for-text"),
    ("regions: 5", "cameras.0.regions: must be a list", "number-for-a-list"),
    ("regions: [[[0, 0], [1, 1]]]", "cameras.0.regions.0: must have at least 3 in the list", "two-corners"),
    (
        "regions: [[[0, 0], [1, 1.1], [1, 0]]]",
        "cameras.0.regions.0.1.1: must be at most 1.0",
        "corner-outside",
    ),
    ("password: x", "cameras.0.password: needs a username beside it", "password-alone"),
    (
        "password: 12",
        "cameras.0.password: must be text in quotes, {file: PATH}, {env: NAME} or {credential: NAME}",
        "number-for-a-password",
    ),
    ("detect_fps: !!python/name:os.system ''", "has a tag (!) or number that is not supported", "python-tag"),
    ("loop: !maybe true", "cameras.0.loop: has a tag (!) or number that is not supported", "own-tag"),
    ("regions: !own [x]", "cameras.0.regions: has a tag (!)", "own-tag-on-a-list"),
    ("<<: {loop: true}", "cameras.0: merge keys (<<) are not supported", "merge-key"),
    ("? [a, b]\n    : c", "cameras.0: the name of a setting must be plain text", "list-for-a-key"),
    ("gate: main", "cameras.0.gate: is given twice; keep one of them", "key-twice"),
]


@pytest.mark.parametrize(("setting", "mend"), [pytest.param(s, m, id=i) for s, m, i in CAMERA_MENDS])
def test_a_bad_camera_setting_is_told_with_its_line_and_mend(write, setting: str, mend: str) -> None:
    told = problems(write(GOOD.replace("gates:", f"    {setting}\ngates:")))
    assert len(told) == 1
    assert told[0].startswith("5: ")
    assert mend in told[0]


URL_MENDS = [
    ("http://192.0.2.1/x", "must be an rtsp:// or rtsps:// address, a video file or a folder", "http"),
    ("rtsp://", "names no host", "no-host"),
    ("rtsp://[::1/live", "is not a valid address", "broken-ipv6"),
    ("rtsp://cam:99999/live", "is not a valid address", "port-out-of-range"),
    ("''", "must be an rtsp:// or rtsps:// address", "empty"),
]


@pytest.mark.parametrize(("url", "mend"), [pytest.param(u, m, id=i) for u, m, i in URL_MENDS])
def test_an_unusable_camera_address_names_what_is_supported(write, url: str, mend: str) -> None:
    told = problems(write(GOOD.replace("rtsp://192.0.2.1/live", url)))
    assert len(told) == 1
    assert told[0].startswith("3: cameras.0.url: ")
    assert mend in told[0]


DOCUMENT_MENDS = [
    ("", ["1: cameras: is required", "1: gates: is required"], "empty"),
    ("# nothing\n---\n", ["1: cameras: is required", "1: gates: is required"], "only-comments"),
    ("- a\n", ["1: must be settings, one `name: value` a line"], "a-list"),
    ("cameras: []\ngates: []\n", ["must have at least 1 in the list"] * 2, "empty-lists"),
    ("cameras:\ngates:\n", ["1: cameras: is required", "2: gates: is required"], "sections-left-empty"),
    (
        GOOD + "web: 5\n",
        ["7: web: must be a group of settings, one `name: value` a line"],
        "number-for-a-section",
    ),
    (GOOD + "cameras: [x]\n", ["7: cameras: is given twice; keep one of them"], "section-twice"),
    (GOOD + "site:\n\ttime_zone: UTC\n", ["8: is indented with a tab; indent with spaces"], "tab"),
    (
        GOOD + "site: {time_zone: Europe/Berln}\n",
        ["7: site.time_zone: must be an IANA time zone"],
        "time-zone",
    ),
    (GOOD + "site: !own {name: x}\n", ["7: site: has a tag (!)"], "own-tag-on-a-section"),
    (GOOD + "site: [a\n", ["8: is not YAML here"], "unclosed-list"),
    (GOOD + "site: {name: a: b}\n", ["7: is not YAML here"], "unquoted-colon"),
    (GOOD + "---\n" + GOOD, ["7: is not YAML here"], "two-documents"),
    (GOOD + "site: {name: *nobody}\n", ["7: is not YAML here"], "unknown-alias"),
    (GOOD + "x\0: 1\n", ["1: holds a control character"], "nul-byte"),
    (GOOD.encode() + b"# caf\xe9\n", ["7: is not UTF-8 text; save the file as UTF-8"], "latin-1"),
    (GOOD + "a: " + "[" * 5000, ["7: is nested deeper than 20 levels"], "deep-nesting"),
    (GOOD + "#" * 300_000, [" must be at most 256 KiB"], "huge"),
    (
        GOOD + "widget: 1\n",
        ["7: there is an unknown setting on this line; known here: access,"],
        "unknown-section",
    ),
]


@pytest.mark.parametrize(("text", "mends"), [pytest.param(t, m, id=i) for t, m, i in DOCUMENT_MENDS])
def test_a_bad_document_is_told_with_its_line_and_mend(write, text: str | bytes, mends: list[str]) -> None:
    told = problems(write(text))
    assert len(told) == len(mends)
    for line, mend in zip(told, mends, strict=True):
        assert mend in line


def test_aliases_that_grow_without_end_are_refused_quickly(write) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 15))
    assert any("aliases (*name) that grow without end" in line for line in problems(write(bomb + GOOD)))


def test_an_alias_that_holds_itself_is_refused(write) -> None:
    assert any("without end" in line for line in problems(write(GOOD + "site: &s\n  name: *s\n")))


def test_an_alias_may_repeat_a_value(write) -> None:
    config = load_config(write(GOOD + "  - {name: &n rear}\nsite: {name: *n}\n"))
    assert config.site.name == config.gates[1].name == "rear"


@pytest.mark.parametrize("word", ["no", "on", "12:30", "0x1F", "2026-01-01", "017"])
def test_words_that_old_yaml_converts_stay_the_text_they_are(write, word: str) -> None:
    assert load_config(write(GOOD + f"site: {{name: {word}}}\n")).site.name == word


def test_all_problems_are_told_at_once_in_the_order_of_the_file(write) -> None:
    text = """\
cameras:
  - name: Front
    url: ftp://x
    gate: mian
    password: {vault: x}
  - name: rear
    url: rtsp://192.0.2.1/live
    gate: main
  - name: rear
    gate: main
gates:
  - name: main
    pulse_ms: 9000
  - name: main
log:
  levle: info
"""
    assert problems(write(text)) == [
        "2: cameras.0.name: must be lower-case letters, digits, - or _, 32 at most, a letter or digit first",
        "3: cameras.0.url: must be an rtsp:// or rtsps:// address, a video file or a folder of pictures",
        "4: cameras.0.gate: is not the name of any entry under gates",
        "5: cameras.0.password: must be text in quotes, {file: PATH}, {env: NAME} or {credential: NAME}",
        "9: cameras.2.name: the same name is on line 6; give each its own",
        "9: cameras.2.url: is required",
        "13: gates.0.pulse_ms: must be at most 5000",
        "14: gates.1.name: the same name is on line 12; give each its own",
        "16: log.levle: unknown setting; did you mean 'level'?",
    ]


def test_what_several_settings_do_together_is_told_beside_a_wrong_number_of_the_same_section(write) -> None:
    text = """\
cameras:
  - name: front
    url: rtsp://192.0.2.1/live
    gate: main
gates:
  - name: main
    driver: gpio
    pulse_ms: 9000
  - name: rear
    driver: http
    http:
      url: https://192.0.2.9/pulse
      token: abc
      username: gate
      timeout_ms: 1
web:
  port: 99999
  key: page.key
"""
    assert problems(write(text)) == [
        "6: gates.0: has driver gpio and no settings for it; add gpio: under this gate",
        "8: gates.0.pulse_ms: must be at most 5000",
        "11: gates.1.http: has a token and a username or password; a device takes one of them",
        "15: gates.1.http.timeout_ms: must be at least 200",
        "16: web: needs certificate and key together, or neither",
        "17: web.port: must be at most 65535",
    ]


@pytest.mark.parametrize("host", ["gate.example", "localhost", "192.0.2.7:80", ""])
def test_the_page_listens_on_addresses_only(write, host: str) -> None:
    (problem,) = problems(write(GOOD + f"web:\n  host: '{host}'\n"))
    assert "web.host: must be an IP address of this machine, or 0.0.0.0 for all of them" in problem


@pytest.mark.parametrize("name", ["https://gate.example", "gate.example:8480", "a b", "", "-a", "*"])
def test_a_name_of_the_page_that_no_browser_would_send_is_refused(write, name: str) -> None:
    (problem,) = problems(write(GOOD + f"web:\n  names: ['{name}']\n"))
    assert "web.names.0: must be a host name such as gate.example.org" in problem


@pytest.mark.parametrize("half", ["certificate", "key"])
def test_a_certificate_without_its_key_is_refused_and_the_other_way_round(write, half: str) -> None:
    (problem,) = problems(write(GOOD + f"web:\n  {half}: page.pem\n"))
    assert "web: needs certificate and key together, or neither" in problem


def test_a_missing_file_says_where_to_find_an_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; copy config\.example\.yaml there"):
        load_config(tmp_path / "config.yaml")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a regular file"):
        load_config(tmp_path)


def test_relative_paths_start_at_the_folder_of_the_file(write, tmp_path: Path) -> None:
    text = (
        GOOD.replace("rtsp://192.0.2.1/live", "clips/a.mp4")
        + "data_dir: data\nvision: {detector: m/d.onnx}\nweb: {certificate: tls/a.pem, key: tls/a.key}\n"
    )
    config = load_config(write(text))
    assert config.cameras[0].url == str(tmp_path / "clips/a.mp4")
    assert config.data_dir == str(tmp_path / "data")
    assert config.vision.detector == str(tmp_path / "m/d.onnx")
    assert config.vision.recognizer == "bundled"
    assert config.web.certificate == str(tmp_path / "tls/a.pem")
    assert config.web.key == str(tmp_path / "tls/a.key")


def test_a_bundled_model_is_a_name_and_no_path(write) -> None:
    assert load_config(write(GOOD + "vision: {detector: plates-v2}\n")).vision.detector == "plates-v2"


def test_models_are_kept_with_the_data_unless_the_configuration_says_where(write, tmp_path: Path) -> None:
    kept = load_config(write(GOOD + "data_dir: data\n")).vision
    assert kept.store == tmp_path / "data" / "models"
    elsewhere = load_config(write(GOOD + "data_dir: data\nvision: {model_store: nets}\n")).vision
    assert elsewhere.store == tmp_path / "nets"


@pytest.mark.proof(21)
@pytest.mark.parametrize("load", [load_config, load_rules], ids=["configuration", "rules"])
def test_a_spoilt_file_gives_settings_or_names_its_problems(
    write, load: Callable[[Path], object], prove: Prove, often: Callable[[int, int], int]
) -> None:
    example = (Path(__file__).parents[2] / "config.example.yaml").read_bytes()
    whole = example.replace(b"  # regions:", b"  regions:").replace(b"  # masks:", b"  masks:")
    rules = b"access: {min_confidence: 0.9, types: {visitor: {stale_after_h: 2}}}\nsite: {country: DE}"
    short = [GOOD.encode(), rules]
    given = spoilt([whole, *short, *short], often(500, 20_000))
    met = meet(lambda data: load(write(data)), given, refusal=ConfigError)
    prove(attempts=met.all, faults=met.refused)
