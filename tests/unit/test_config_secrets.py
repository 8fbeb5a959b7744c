"""Secrets of the configuration: where they may come from, and what is told when they cannot be had."""

import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from pod.config_load import load_config, load_with_advice
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


def with_password(password: str) -> str:
    return GOOD.replace("    gate: main", f"    gate: main\n    username: u\n    password: {password}")


def secret_of(path: Path) -> tuple[str, tuple[str, ...]]:
    loaded = load_with_advice(path)
    secret = loaded.config.cameras[0].password
    assert secret is not None
    return secret.get_secret_value(), loaded.advice


@pytest.mark.parametrize("written", ["hush", "hush\n", "hush\r\n"])
def test_a_secret_file_gives_its_line(write, tmp_path: Path, written: str) -> None:
    (tmp_path / "key").write_bytes(written.encode())
    (tmp_path / "key").chmod(0o600)
    assert secret_of(write(with_password("{file: key}"))) == ("hush", ())


def test_a_secret_file_that_others_may_read_is_advised_against(write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hush")
    (tmp_path / "key").chmod(0o644)
    secret, advice = secret_of(write(with_password("{file: key}")))
    assert secret == "hush"
    assert [re.sub(".*yaml:", "", line) for line in advice] == [
        "6: cameras.0.password: names a file that other users may read; chmod 600 it"
    ]


def test_a_secret_from_the_environment(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEBRIDGE_TEST_KEY", "hush")
    assert secret_of(write(with_password("{env: PLATEBRIDGE_TEST_KEY}"))) == ("hush", ())


def test_a_secret_from_a_systemd_credential(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cam").write_text("hush")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret_of(write(with_password("{credential: cam}"))) == ("hush", ())


def test_a_secret_in_plain_text_is_advised_against(write) -> None:
    secret, advice = secret_of(write(with_password("hush")))
    assert secret == "hush"
    assert len(advice) == 1
    assert "is written in the configuration itself; move it to {file: PATH}" in advice[0]


def test_credentials_inside_an_address_move_out_of_it_and_are_advised_against(write) -> None:
    loaded = load_with_advice(write(GOOD.replace("192.0.2.1", "ad%40min:h%2Fus@h@192.0.2.1")))
    camera = loaded.config.cameras[0]
    assert camera.url == "rtsp://192.0.2.1/live"
    assert (camera.username, camera.password) == ("ad@min", SecretStr("h/us@h"))
    assert len(loaded.advice) == 1
    assert loaded.config.secrets() == ("h/us@h",)


def test_credentials_both_inside_and_beside_an_address_are_refused(write) -> None:
    told = problems(write(with_password("hush").replace("192.0.2.1", "u:other-secret@192.0.2.1")))
    assert [line for line in told if "holds a user name though" in line]
    assert "other-secret" not in str(told)


def _long_file(folder: Path) -> str:
    (folder / "long").write_text("x" * 5000)
    return "{file: long}"


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "{file: pipe}"


def _two_lines(folder: Path) -> str:
    (folder / "two").write_text("a\nb\n")
    return "{file: two}"


SECRET_MENDS = [
    (lambda _: "{file: missing}", "names no regular file", "missing-file"),
    (lambda _: "{file: .}", "names no regular file", "folder"),
    (_pipe, "names no regular file", "pipe-that-would-block"),
    (_long_file, "names a file longer than 4096 bytes", "long-file"),
    (_two_lines, "must be one line of text", "two-lines"),
    (lambda _: "{env: PLATEBRIDGE_TEST_NOT_SET}", "is not set", "missing-variable"),
    (lambda _: "{credential: cam}", "is a systemd credential", "no-credentials"),
    (lambda _: "{vault: cam}", "must be text in quotes, {file", "unknown-form"),
    (lambda _: "{file: a, env: b}", "must be text in quotes, {file", "two-forms"),
    (lambda _: "{file: 5}", "must be text in quotes, {file", "number-for-a-file"),
    (lambda _: "''", "must not be empty", "empty"),
]


@pytest.mark.parametrize(("make", "mend"), [pytest.param(s, m, id=i) for s, m, i in SECRET_MENDS])
def test_a_secret_that_cannot_be_had_is_told_with_its_mend(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, mend: str
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    told = problems(write(with_password(make(tmp_path))))
    assert len(told) == 1
    assert told[0].startswith("6: cameras.0.password: ")
    assert mend in told[0]


def test_a_credential_cannot_point_out_of_its_folder(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "key").write_text("hush")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "inner"))
    assert "plain name" in problems(write(with_password("{credential: ../key}")))[0]
