"""`platebridge pod password`: the password of the first start, a new one, or a link that signs in once."""

from pathlib import Path
from typing import Annotated

import typer

from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.config import WebConfig
from pod.domain.errors import ConfigError
from pod.web.admin_password import AdminPassword
from pod.web.sign_in_link import VALID_S, SignInLink
from pod.web.tls import existing_certificate


def password(
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Make a new password; everybody who is signed in is signed out.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Make a link that signs in once, without a password.")
    ] = False,
) -> None:
    """Show how to sign in to the local page: the password of the first start, until somebody used it.

    The password is chosen by whoever signs in first and can't be shown from then on; --reset makes a new one,
    also while the POD runs.
    """
    place = find_place(config, data_dir)
    folder, web = place.database.parent, place.web
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: start the POD once, or name it by --data-dir DIR")
    fingerprint, is_tls = _fingerprint(web, folder)
    page = f"{'https' if is_tls else 'http'}://{_host(web.host)}:{web.port or 'PORT'}/"
    if link:
        print(f"{page}signin?token={SignInLink(folder).make()}")
        print(f"Works once, within {VALID_S / 60:.0f} minutes, in a browser on the POD or through ssh -L.")
        return
    kept = AdminPassword(folder)
    made = kept.reset() if reset else _as_made(kept, folder)
    print(f"Page:     {page}")
    if is_tls:
        print(f"SHA-256:  {fingerprint}")
    if made is None and kept.must_change():
        print(
            "Password: the one that was made was used, so it can be shown no more, and nobody chose another."
        )
        print("It still signs in; make a new one with --reset.")
    elif made is None:
        print("Password: somebody chose one; make a new one with --reset")
    else:
        print(f"Password: {made}")
        print("It is to be changed at the first sign-in.")


def _fingerprint(web: WebConfig, folder: Path) -> tuple[str, bool]:
    """Of the page's certificate, or why there is none to tell; and whether the page is served over TLS."""
    try:
        certificate = existing_certificate(web, folder)
    except ConfigError as error:  # no reason to shut out who looks for the password
        return f"not known: {error}", True
    return ("", False) if certificate is None else (certificate.fingerprint, True)


def _as_made(kept: AdminPassword, folder: Path) -> str | None:
    if kept.stamp() is None:
        raise ConfigError(f"there is no password in {folder} yet: start the POD once, or use --reset")
    return kept.as_made()


def _host(host: str) -> str:
    """An address that a browser on the POD can open."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
