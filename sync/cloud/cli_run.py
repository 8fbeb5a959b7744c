"""`platebridge cloud run`: a whole cloud on one machine."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from sync.cloud.place import check_installed


def run(
    embedded: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Everything is kept in this folder, made where it is missing: back it up."
        ),
    ],
    host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The name or address that PODs reach this machine by; 127.0.0.1 at first, for PODs on it.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of HTTPS for PODs: 8443 at first; 0 takes a free one."),
    ] = None,
    broker_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of MQTT over TLS: 8883 at first; 0 takes a free one."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object once PODs can come, and nothing else.")
    ] = False,
) -> None:
    """Run database, broker, bridge, dispatch and the PODs' API here, with an authority of their own.

    Host and ports are kept, for PODs remember them. What ends is started again; Ctrl-C ends all of it and
    keeps everything.
    """
    check_installed()
    from sync.cloud.run.home import open_home
    from sync.cloud.run.service import run_cloud

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    home = open_home(embedded, host=host, portal_port=port, broker_port=broker_port)
    places = home.places

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line)

    def ready() -> None:
        if as_json:
            typer.echo(json.dumps({"portal": places.portal, "broker": places.broker}))
            return
        say(f"broker     {places.broker}")
        say(f"portal     {places.portal}")
        say("Ready. Add a POD with:")
        say(f"  platebridge cloud pod add --embedded {embedded}")
        say("Ctrl-C stops it.")

    run_cloud(home, say, on_ready=ready)
