"""Stand in for torchvision where it cannot be imported: ultralytics needs only its non-maximum suppression.

Where torchvision imports, nothing is changed. `ensure` says which of the two it was.
"""

import importlib.metadata
import sys
import types
from collections.abc import Callable

STUB_VERSION = "0.28.0"


def ensure() -> str:
    """Make `import torchvision` work before ultralytics is imported. Returns "torchvision" or "stub"."""
    try:
        import torchvision  # noqa: F401  (whether it imports is the question)
    except (ImportError, RuntimeError, OSError):
        _install()
        return "stub"
    return "torchvision"


def _install() -> None:
    stub = types.ModuleType("torchvision")
    setattr(stub, "__version__", STUB_VERSION)  # noqa: B010  (mypy knows no such attribute of a module)
    operators = types.ModuleType("torchvision.ops")
    setattr(stub, "ops", operators)  # noqa: B010  (as above)
    sys.modules.update({"torchvision": stub, "torchvision.ops": operators})
    setattr(importlib.metadata, "version", _version_of(importlib.metadata.version))  # noqa: B010  (a patch)
    from ultralytics.utils.nms import TorchNMS

    setattr(operators, "nms", TorchNMS.nms)  # noqa: B010  (as above)


def _version_of(real: Callable[[str], str]) -> Callable[[str], str]:
    def version(distribution_name: str) -> str:
        return STUB_VERSION if distribution_name == "torchvision" else real(distribution_name)

    return version
