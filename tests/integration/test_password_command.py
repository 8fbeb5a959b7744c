"""`platebridge pod password` as an operator runs it."""

import json
import subprocess
from pathlib import Path

import pytest
from running_pod import PLATEBRIDGE

from pod.web.admin_password import AdminPassword
from pod.web.sign_in_link import SignInLink


def password(*options: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [str(PLATEBRIDGE), "pod", "password", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_made_password_is_shown_until_it_is_used_and_a_new_one_can_be_made(tmp_path: Path) -> None:
    kept = AdminPassword(tmp_path)
    kept.ensure()
    made = kept.as_made()
    assert f"Password: {made}" in password("--data-dir", tmp_path).stdout
    kept.change("four words to remember")
    told = password("--data-dir", tmp_path)
    assert "make a new one with --reset" in told.stdout
    again = password("--reset", "--data-dir", tmp_path).stdout
    assert kept.is_right(again.split("Password: ")[1].split()[0])
    assert not kept.is_right("four words to remember")


def test_a_link_is_printed_that_signs_in_once(tmp_path: Path) -> None:
    link = password("--link", "--data-dir", tmp_path).stdout.split()[0]
    assert link.startswith("http://127.0.0.1:8480/signin?token=")
    token = link.split("token=")[1]
    assert SignInLink(tmp_path).use(token)
    assert not SignInLink(tmp_path).use(token)


@pytest.mark.parametrize("folder", ["", "gone"])
def test_a_pod_that_never_started_is_told_with_the_mend(tmp_path: Path, folder: str) -> None:
    answer = password("--data-dir", tmp_path / folder)
    assert answer.returncode != 0
    assert "start the POD once" in answer.stderr


def test_a_first_password_that_was_used_and_not_changed_is_no_chosen_one(tmp_path: Path) -> None:
    kept = AdminPassword(tmp_path)
    kept.ensure()
    assert kept.note_used()
    told = password("--data-dir", tmp_path).stdout
    assert "nobody chose another" in told
    assert "somebody chose one" not in told
    kept.change("four words to remember")
    assert "somebody chose one" in password("--data-dir", tmp_path).stdout


def test_a_broken_certificate_keeps_nobody_from_the_password(tmp_path: Path) -> None:
    config = {
        "data_dir": str(tmp_path),
        "cameras": [{"name": "entry", "url": "clip.mp4", "gate": "main"}],
        "gates": [{"name": "main"}],
        "web": {"certificate": "gone.pem", "key": "gone.key"},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    kept = AdminPassword(tmp_path)
    kept.ensure()
    shown = password("--config", tmp_path / "config.yaml")
    assert (shown.returncode, f"Password: {kept.as_made()}" in shown.stdout) == (0, True)
    assert "SHA-256:  not known: web.certificate: " in shown.stdout
    made = password("--reset", "--config", tmp_path / "config.yaml").stdout.split("Password: ")[1].split()[0]
    assert kept.is_right(made)
