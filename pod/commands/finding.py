"""What one check of the doctor found. Pure data."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `text` names the mend unless all is well; it holds no secret."""

    check: str
    status: Status
    text: str
