"""`platebridge models`: its verbs, each imported only when it runs. A new verb is one line in `VERBS`."""

from typing import Any

import typer
from typer.core import TyperGroup

from pod.commands.lazy import LazyCommand, Verb

VERBS = {
    "list": Verb(
        "pod.commands.models_list",
        "list_models",
        "List the models there are: bundled, in the store, and on the hubs.",
        "Example: platebridge models list --json",
    ),
    "verify": Verb(
        "pod.commands.models_verify",
        "verify",
        "Check that models are whole and read the reference picture.",
        "Example: platebridge models verify --json",
    ),
    "pull": Verb(
        "pod.commands.models_pull",
        "pull",
        "Fetch models of fast-plate-ocr's and open-image-models' hubs by name.",
        "Example: platebridge models pull cct-s-v2-global-model",
    ),
    "import": Verb(
        "pod.commands.models_import",
        "import_model",
        "Take your own network into the store, checked and pinned.",
        "Example: platebridge models import my-detector.onnx",
    ),
    "remove": Verb(
        "pod.commands.models_pull",
        "remove",
        "Take a pulled or imported model out of the store.",
        "Example: platebridge models remove cct-s-v2-global-model",
    ),
    "eval": Verb(
        "pod.commands.models_eval",
        "evaluate",
        "Measure how well models find and read plates, beside fast-alpr.",
        "Example: platebridge models eval ../shared/plates --report report.html",
    ),
    "false-opens": Verb(
        "pod.commands.models_false_opens",
        "false_opens",
        "Measure how often the gate would open for a stranger.",
        "Example: platebridge models false-opens --data ../shared/plates --quick",
    ),
}


class _ModelVerbs(TyperGroup):
    """The group with a stand-in for every verb of `VERBS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, verb in VERBS.items():
            self.add_command(LazyCommand(name, verb))


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    cls=_ModelVerbs,
    help="Fetch, check and measure the networks that read plates.",
)


@app.callback()
def _models() -> None:
    """Fetch, check and measure the networks that read plates.

    The models that come with PlateBridge need nothing of this. Exit codes: 0 done, 1 the answer is no, 2 it
    could not be done.
    """
