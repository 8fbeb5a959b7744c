"""Opens an ONNX file in onnxruntime, set up for a box that mostly waits. Reads the file; logs a fallback."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.registry import ModelError

Provider = Literal["cpu", "openvino", "cuda"]
ProviderChoice = Literal["auto", "cpu", "openvino", "cuda"]

_EXECUTION_PROVIDERS: dict[Provider, str] = {
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""In the order `auto` prefers them."""

_MENDS: dict[Provider, str] = {
    "cuda": "install onnxruntime-gpu in the place of onnxruntime, and the CUDA version it names",
    "openvino": "install onnxruntime-openvino in the place of onnxruntime",
    "cpu": "install onnxruntime again",
}

_log = logging.getLogger(__name__)


def open_session(
    path: Path, provider: ProviderChoice, *, threads: int
) -> tuple[ort.InferenceSession, Provider]:
    """Opens a model for inference.

    Args:
        provider: what to compute with; where it is not to be had, the processor does it and the log says why.
        threads: threads that one inference may use.

    Returns:
        the session, and the provider that really serves it.

    Raises:
        ModelError: onnxruntime cannot load the file.
    """
    wanted = [p for p in _EXECUTION_PROVIDERS if p == provider or provider == "auto"]
    offered = ort.get_available_providers()
    usable = [p for p in wanted if _EXECUTION_PROVIDERS[p] in offered]
    if not usable:
        _fell_back(wanted[0], f"this onnxruntime offers only {', '.join(offered)}")
    chosen: Provider = usable[0] if usable else "cpu"
    session = _opened(path, chosen, threads)
    used = _used(session)
    if used != chosen:
        _fell_back(chosen, "its libraries did not load")
    return session, used


def answer_to(
    session: ort.InferenceSession, tensor: npt.NDArray[np.generic], *, output: str, network: str
) -> npt.NDArray[np.float32]:
    """What a network of one input answers.

    Args:
        output: the name of the output that counts.
        network: what it is called in messages.

    Raises:
        ModelError: it cannot be computed, or the answer is not an array of numbers.
    """
    try:
        answer = session.run([output], {session.get_inputs()[0].name: tensor})[0]
    # onnxruntime's exceptions have no common base of their own.
    except Exception as error:
        raise ModelError(
            f"{network}: cannot be computed: export the model again, or go back to the bundled one "
            f"({_first_line(error)})"
        ) from error
    if not isinstance(answer, np.ndarray) or answer.dtype.kind not in "fiu":
        raise ModelError(f"{network}: answers with no array of numbers: export the model again")
    return answer


def _opened(path: Path, provider: Provider, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Waiting threads sleep: a gate sees a few cars an hour, and spinning would heat the box all day.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    providers = [_EXECUTION_PROVIDERS[provider]]
    if provider != "cpu":
        providers.append(_EXECUTION_PROVIDERS["cpu"])
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    # onnxruntime's exceptions have no common base of their own.
    except Exception as error:
        raise ModelError(
            f"{path}: onnxruntime cannot load it: install PlateBridge again, or export the model as ONNX "
            f"of an opset this onnxruntime knows ({_first_line(error)})"
        ) from error


def _used(session: ort.InferenceSession) -> Provider:
    """The provider that onnxruntime put first, whatever it was asked for."""
    first = session.get_providers()[0]
    return next(p for p, name in _EXECUTION_PROVIDERS.items() if name == first)


def _fell_back(wanted: Provider, reason: str) -> None:
    _log.warning("inference runs on the processor, not on %s: %s; %s", wanted, reason, _MENDS[wanted])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
