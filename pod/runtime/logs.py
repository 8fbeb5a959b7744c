"""Log to stderr as lines for people or as JSON, one record a line, with every known secret struck out."""

import json
import logging
import math
import re
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from pod.runtime.query_secrets import without_query_secrets

STRUCK_OUT = "***"
MIN_SECRET_CHARS = 4  # striking out shorter text would garble every line and hide little

_IN_URL = re.compile(r"((?<![a-z0-9+.-])[a-z0-9+.-]+://)[^\s\"'<>]*@", re.IGNORECASE)
_IN_HEADER = re.compile(
    r"(authorization\"?'?\s*[:=]\s*\"?'?(?:basic|digest|bearer)\s+)[^\r\n]+", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

Extra = None | bool | int | float | str | list["Extra"] | dict[str, "Extra"]


class Redactor:
    """Strikes out credentials in addresses and headers, and the secrets of this configuration."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first: a secret may be the beginning of another.
        known = sorted({s for s in secrets if len(s) >= MIN_SECRET_CHARS}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        text = without_query_secrets(_IN_URL.sub(rf"\1{STRUCK_OUT}@", text))
        text = _IN_HEADER.sub(rf"\1{STRUCK_OUT}", text)
        return self._known.sub(STRUCK_OUT, text) if self._known else text


class _Formatter(logging.Formatter):
    """What both formats share: the redacted parts of a record."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def _message(self, record: logging.LogRecord) -> str:
        return self._redact(record.getMessage())

    def _extras(self, record: logging.LogRecord) -> dict[str, Extra]:
        """The `extra` of the log call: numbers and text as they are, anything else as text."""
        return {key: self._plain(value) for key, value in vars(record).items() if key not in _STANDARD}

    def _trace(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(record.stack_info)
        return self._redact("\n".join(parts))

    def _plain(self, value: object) -> Extra:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, Mapping):
            return {self._redact(str(key)): self._plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(entry) for entry in value]
        return self._redact(str(value))


class JsonLines(_Formatter):
    """`{"time", "level", "logger", "message", ...extra, "trace"?}`; time in UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Extra] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
        }
        line |= {key: value for key, value in self._extras(record).items() if key not in line}
        if trace := self._trace(record):
            line["trace"] = trace
        return json.dumps(line)


class HumanLines(_Formatter):
    """Local time, extras last, a trace indented: `12:30:01.123 WARNING pod.media: text  key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        extras = "".join(f"  {key}={_one_line(str(value))}" for key, value in self._extras(record).items())
        head = f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {record.name}: "
        trace = self._trace(record)
        # One record stays one line: text from a camera or a file cannot forge another.
        line = head + _one_line(self._message(record)) + extras
        return line + "".join(f"\n    {_one_line(text)}" for text in trace.splitlines())


def configure_logging(
    log_format: Literal["human", "json"],
    level: Literal["debug", "info", "warning", "error"],
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Make this the only handler of the process.

    Args:
        secrets: texts that must never be logged, such as camera passwords.
        stream: where lines go; stderr by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    redact = Redactor(secrets)
    handler.setFormatter(JsonLines(redact) if log_format == "json" else HumanLines(redact))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
