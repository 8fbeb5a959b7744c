"""The folder of models that were pulled or imported: where it is, and how a model comes into it or leaves.

A model is in the store once its manifest is: weights are written, synced and renamed first, the manifest
last, and a newer one takes the place of an older in that one step. What a crash leaves behind is no model.
"""

import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from models.manifest import NAME, Manifest, ModelError, as_yaml, read_manifest

_WEIGHTS = re.compile(rf"({NAME.strip('^$')})-[0-9a-f]{{12}}\.onnx")
_LOCK = ".lock"
_ARRIVING = ".arriving"
_KEPT_FOR_S = 7 * 86_400
_OPEN_TO_ALL = 0o755
_READABLE_BY_ALL = 0o644  # weights are no secret, and the POD runs as another user than who pulls


def default_store() -> Path:
    """The store of this user, as the XDG base directory specification has it."""
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "platebridge" / "models"


def stored(store: Path) -> list[Manifest | ModelError]:
    """Every model of a store by name; a fault in the place of one whose manifest cannot be used."""
    found: list[Manifest | ModelError] = []
    for path in sorted(store / name for name in _names(store) if name.endswith(".yaml")):
        try:
            found.append(read_named(path))
        except ModelError as error:
            found.append(error)
    return found


def read_named(path: Path) -> Manifest:
    """The manifest of a model that is known by the name of that file.

    Raises:
        ModelError: it cannot be used, gives the model another name, or does not say its checksum.
    """
    manifest = read_manifest(path)
    if manifest.name != path.stem:
        raise ModelError(
            f"{path}: name: is '{manifest.name}', and must be '{path.stem}' as the file's: correct it"
        )
    if manifest.sha256 is None:
        raise ModelError(
            f"{path}: sha256: is missing, so nobody could tell when the weights are damaged: pull or import "
            "the model again"
        )
    return manifest


def is_in(store: Path, name: str) -> bool:
    """Whether a store holds a model of that name.

    Raises:
        ModelError: this user may not look.
    """
    return f"{name}.yaml" in _names(store)


def _names(store: Path) -> list[str]:
    try:
        return os.listdir(store)  # noqa: PTH208 - a glob would pass over a folder that may not be read
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ModelError(
            f"{store}: cannot be looked into ({error.strerror}): run this as the POD's user, such as with "
            "sudo"
        ) from error


def check_name(name: str) -> str:
    """The name, where it can be one.

    Raises:
        ModelError: it holds what no model's name can hold, such as a path.
    """
    if not re.fullmatch(NAME, name):
        raise ModelError(
            f"{name!r} cannot be a model's name: use lower-case letters, digits, dot, dash and underscore, "
            "a letter or digit first, 64 at most"
        )
    return name


@contextmanager
def writing(store: Path) -> Iterator[Path]:
    """Holds the store's lock, so that two who write never meet.

    Yields:
        the folder for files on their way in; it is on the store's own file system and outlives this call, so
        that a download can be resumed.

    Raises:
        ModelError: another process writes, or this user may not.
    """
    try:
        is_new = not store.exists()
        store.mkdir(parents=True, exist_ok=True)
        if is_new:
            store.chmod(_OPEN_TO_ALL)
        _make_own(store / _ARRIVING)
        how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(store / _LOCK, how, _READABLE_BY_ALL)
    except OSError as error:
        raise ModelError(
            f"{store}: no model can be kept there ({error.strerror}): run this as a user who may write it, "
            "or name another folder with --store"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelError(
                f"{store}: another pull or import is at work there: wait until it is done"
            ) from None
        _tidy(store / _ARRIVING)
        with suppress(OSError):
            _drop_orphans(store)
        yield store / _ARRIVING
    finally:
        os.close(lock)


def take_in(store: Path, weights: Path, manifest: Manifest) -> Manifest:
    """Moves weights into the store and writes their manifest; the caller holds the lock of `writing`.

    Args:
        weights: a file on the store's file system, whole and synced; it is moved.
        manifest: its `file` is set here.

    Raises:
        ModelError: the disk is full or refuses; nothing of the model is left behind.
    """
    check_name(manifest.name)
    if manifest.sha256 is None:
        raise ValueError("a model of the store has a checksum")
    # By its content, so that a newer one never lies under the manifest of the older.
    kept = manifest.model_copy(update={"file": store / f"{manifest.name}-{manifest.sha256[:12]}.onnx"})
    described = store / f"{manifest.name}.yaml"
    former = weights_of(described)
    new = store / _ARRIVING / f"{manifest.name}.yaml"
    try:
        weights.chmod(_READABLE_BY_ALL)
        weights.rename(kept.file)
        sync_folder(store)  # a power cut must not leave the manifest without what it describes
        with new.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _READABLE_BY_ALL)
            file.write(as_yaml(kept))
            file.flush()
            os.fsync(file.fileno())
        new.rename(described)
        sync_folder(store)
        _drop_orphans(store)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
            if former != kept.file:
                kept.file.unlink(missing_ok=True)
        raise ModelError(
            f"{store}: '{kept.name}' could not be kept ({error.strerror}): free space there, or name another "
            "folder with --store"
        ) from error
    return kept


def weights_of(described: Path) -> Path | None:
    """The weights that a manifest names; None where there is no usable one."""
    try:
        return read_manifest(described).file
    except ModelError:
        return None


def remove(store: Path, name: str) -> None:
    """Takes a model out of the store.

    Raises:
        ModelError: it is not in there, or this user may not remove it.
    """
    described = store / f"{check_name(name)}.yaml"
    if not is_in(store, name):
        raise ModelError(f"{store}: holds no model '{name}': `platebridge models list` shows what it holds")
    with writing(store):
        try:
            described.unlink(missing_ok=True)
            for file in _names(store):
                if re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{12}}\.onnx", file):
                    (store / file).unlink(missing_ok=True)
            sync_folder(store)
        except OSError as error:
            raise ModelError(
                f"{store}: '{name}' could not be removed ({error.strerror}): run this as a user who may "
                "write it"
            ) from error


def _make_own(arriving: Path) -> None:
    """Makes the folder for files on their way in, in which nobody else can lay links.

    A store in a POD's data directory belongs to the service's user; an administrator pulls into it as root.

    Raises:
        ModelError: something is in its place that leads elsewhere, or belongs to another user.
    """
    with suppress(FileExistsError):
        arriving.mkdir(mode=_OPEN_TO_ALL)
    found = arriving.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ModelError(f"{arriving}: is a link or a file, and must be a folder: remove it")
    if found.st_uid != os.geteuid():
        raise ModelError(
            f"{arriving}: belongs to another user, who could make what is written there lead elsewhere: "
            "remove that folder, or run this as its owner"
        )


def _tidy(arriving: Path) -> None:
    """Drops what nobody came back for, and what a conversion that was killed left."""
    for left in arriving.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        if left.is_file() and time.time() - left.stat().st_mtime > _KEPT_FOR_S:
            left.unlink(missing_ok=True)


def _drop_orphans(store: Path) -> None:
    """Removes weights that no manifest names: of an older version, or of a newcomer that was killed.

    Where a manifest cannot be read, nobody knows what it names: its weights stay.
    """
    for file in _names(store):
        if (found := _WEIGHTS.fullmatch(file)) is None:
            continue
        described = store / f"{found[1]}.yaml"
        named = weights_of(described)
        if (named is None and not described.exists()) or named not in (None, store / file):
            (store / file).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
