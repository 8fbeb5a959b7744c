"""`platebridge pod enroll`: join a cloud by a join string."""

import socket
from typing import Annotated

import typer

from pod.commands.harmless import harmless
from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.domain.errors import ConfigError


def enroll(
    join_string: Annotated[
        str, typer.Argument(help="The line that begins with PB1-, from whoever runs the cloud; good once.")
    ],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="What people are to call this POD; the machine's name where it is not given."),
    ] = None,
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="Register as a new POD with a new key, as after it was revoked."),
    ] = False,
) -> None:
    """Join a cloud: it brings the list of plates to this POD and collects its audit.

    The gate works all the while, and without a cloud, too. If this fails, nothing has changed, and the same
    join string may be tried again until it is too old, also where it is not clear whether it worked.
    """
    from sync.agent.enroll import enroll as enroll_with  # a POD without a cloud needs none of it
    from sync.agent.identity_error import IdentityError

    folder = find_place(config, data_dir).database.parent
    try:
        identity = enroll_with(
            folder,
            join_string,
            name=(name or socket.gethostname() or "POD")[:200],
            new_key=new_key,
            say=lambda text: print(harmless(text), flush=True),
        )
    except IdentityError as error:
        raise ConfigError(f"not enrolled: {error}") from None
    names = {word: harmless(text) for word, text in identity.names.items()}
    print(f"Done: {identity.pod}, called {names['pod']}, at {names['site']}, {names['community']}.")
    print(f"Its certificate holds until {identity.valid_until:%Y-%m-%d} and is renewed by itself.")
    print("It connects when the POD is started next: sudo systemctl restart platebridge")
