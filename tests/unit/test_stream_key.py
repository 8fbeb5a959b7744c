"""The key of a POD's own stream tokens: made once, its user's alone, plain about what is wrong with it."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pod.domain.errors import ConfigError
from pod.web.stream_key import FILE_NAME, own_key


def test_a_key_is_made_once_and_is_its_users_alone(tmp_path: Path) -> None:
    made = own_key(tmp_path)
    path = tmp_path / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = own_key(tmp_path)
    assert again.kid == made.kid
    assert again.key.private_bytes_raw() == made.key.private_bytes_raw()
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_no_two_pods_share_a_key_or_its_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = own_key(tmp_path / "a"), own_key(tmp_path / "b")
    assert first.kid != second.kid
    assert first.key.private_bytes_raw() != second.key.private_bytes_raw()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def of_another_kind(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def locked(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
    )


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda path: path.write_bytes(b""), "holds no key of ours: remove it", id="empty"),
        pytest.param(cut, "holds no key of ours: remove it", id="cut off"),
        pytest.param(lambda path: path.write_bytes(b"\0" * 5000), "holds no key of ours", id="zeros"),
        pytest.param(of_another_kind, "holds no key of ours", id="another kind of key"),
        pytest.param(locked, "holds no key of ours", id="behind a password"),
        pytest.param(lambda path: path.chmod(0o640), "open to other users", id="readable by others"),
        pytest.param(lambda path: (path.unlink(), path.mkdir(0o700)), "cannot be read", id="a folder"),
    ],
)
def test_a_damaged_key_is_told_with_the_mend_and_never_replaced_silently(
    tmp_path: Path, damage: Callable[[Path], object], told: str
) -> None:
    own_key(tmp_path)
    damage(tmp_path / FILE_NAME)
    with pytest.raises(ConfigError, match=told):
        own_key(tmp_path)
    with pytest.raises(ConfigError, match=told):
        own_key(tmp_path)


def test_a_key_that_cannot_be_kept_is_told_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        own_key(tmp_path / "gone")
