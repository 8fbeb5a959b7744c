"""The command `platebridge`: names the verbs, loads the one asked for, turns faults into sentences."""

from pod.runtime.interrupt import ctrl_c_ends_at_once

with ctrl_c_ends_at_once():
    import sys
    import traceback
    from typing import NoReturn

    import typer
    from typer.core import TyperGroup

    from pod.commands.lazy import LazyCommand, Verb
    from pod.domain.errors import PlateBridgeError

EXIT_FAULT = 2
EXIT_BUG = 70  # EX_SOFTWARE of sysexits(3)
EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


VERBS = {
    "demo": Verb("pod.commands.demo", "demo", "Run a POD on a rendered clip, with nothing to set up."),
    "read": Verb("pod.commands.read", "read", "Read the plates in pictures, folders, videos and streams."),
    "pod": Verb("pod.commands.pod", "app", "Run the POD, or check what it needs to run."),
    "gate": Verb("pod.commands.gate", "app", "Try a gate by hand."),
    "plates": Verb("pod.commands.plates", "app", "Keep the list of plates that may pass."),
    "audit": Verb("pod.commands.audit", "app", "Show what was decided and why, and prove it complete."),
    "models": Verb("pod.commands.models", "app", "Fetch, check and measure the networks that read plates."),
    "cloud": Verb("sync.cloud.cli", "app", "Run the cloud that shares lists and collects audits."),
}


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"platebridge {version('platebridge')}")
        raise typer.Exit


def _platebridge(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    """Open the gate for the plates you know: read at the gate, decided on this box, audited.

    Start with `platebridge demo`. Exit codes: 0 done, 1 the answer is no, 2 it could not be done.
    """


def root_command() -> TyperGroup:
    """The root with a stand-in for every verb."""
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.callback()(_platebridge)
    root = typer.main.get_command(app)
    if not isinstance(root, TyperGroup):
        raise TypeError("typer no longer builds groups as TyperGroup")
    for name, verb in VERBS.items():
        root.add_command(LazyCommand(name, verb))
    return root


def main() -> NoReturn:
    """Run the command line of this process and exit: a fault becomes a sentence, never a traceback."""
    try:
        with ctrl_c_ends_at_once():
            command = root_command()
        command(prog_name="platebridge")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except _faults() as fault:
        _say(str(fault))
        sys.exit(EXIT_FAULT)
    except OSError as error:
        _say(_told(error))
        sys.exit(EXIT_FAULT)
    except Exception:
        _say(f"this is a defect of PlateBridge; please report it with these lines:\n{traceback.format_exc()}")
        sys.exit(EXIT_BUG)
    sys.exit(0)


def _faults() -> tuple[type[Exception], ...]:
    """The faults with a message for the operator. Models and cloud have their own, known only once loaded."""
    models, cloud = sys.modules.get("models.registry"), sys.modules.get("sync.cloud.errors")
    theirs = ((models.ModelError,) if models else ()) + ((cloud.CloudError,) if cloud else ())
    return (PlateBridgeError, *theirs)


def _told(error: OSError) -> str:
    """What the system refused, for the paths and devices that no command told of itself."""
    what = error.strerror or str(error)
    if error.filename is None:
        return f"{what}: check the disk, the network and this user's rights"
    return f"{error.filename}: {what}: check the path, and whether this user may use it"


def _say(text: str) -> None:
    from pod.commands.harmless import harmless
    from pod.runtime.logs import Redactor

    text = harmless(Redactor()(text))
    print(text if "\n" in text else f"platebridge: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
