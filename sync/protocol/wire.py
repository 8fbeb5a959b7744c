"""What all messages have in common: strict fields, unknown ones passed over, faults told by field. Pure."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.protocol.errors import ProtocolError
from sync.protocol.limits import MAX_INT

_MAX_FAULTS = 5
_MAX_CHARS = 120
_EARLIEST_S, _LATEST_S = 0.0, 1e11

Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Seq = Annotated[int, Field(ge=0, le=MAX_INT)]
Digest = Annotated[bytes, Field(min_length=32, max_length=32)]
Point = tuple[Seq, Digest]
"""A row's seq and link, as `chain.Position`."""
Stretch = tuple[Seq, Digest, Seq, Digest]
"""Rows that are held: the position before the first and that of the last."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
"""Ids, nonces, names of gates and cameras."""
Text = Annotated[str, Field(max_length=200)]
"""For people; whoever shows it makes it harmless."""
Seconds = Annotated[float, Field(ge=_EARLIEST_S, le=_LATEST_S, allow_inf_nan=False)]
"""Unix time by the cloud's clock."""
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


class Part(BaseModel):
    """A message, or a part of one: immutable, checked when it is made and when it is read."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64"
    )


class Message(Part):
    """A message of one kind; its JSON names the kind as `t`."""

    def content(self) -> bytes:
        """The message as the body of a frame."""
        return self.model_dump_json(by_alias=True).encode()


M = TypeVar("M", bound=Message)


def read(content: bytes, kinds: Mapping[str, type[M]]) -> M:
    """The message that a body holds.

    Args:
        kinds: those that may come here.

    Raises:
        ProtocolError: none of them, or a field that is missing or out of its bounds.
    """
    kind = _kind(content)
    model = kinds.get(kind)
    if model is None:
        raise ProtocolError("a kind of message that is unknown here, or does not come this way")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise ProtocolError(f"a message '{kind}' that cannot be used: {faults(error)}") from None


def _kind(content: bytes) -> str:
    try:
        return _Kind.model_validate_json(content).t
    except ValidationError as error:
        raise ProtocolError(f"no message: {faults(error)}") from None


class _Kind(Part):
    t: Name


def faults(error: ValidationError) -> str:
    """What pydantic found, without repeating what it found it in."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{_place(one['loc'])}: {one['msg'][:_MAX_CHARS]}" for one in found[:_MAX_FAULTS]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def _place(loc: tuple[int | str, ...]) -> str:
    """The field; one that the sender named itself is not repeated where its name is no plain one."""
    return ".".join(str(part) if re.fullmatch(r"\w{1,32}", str(part)) else "?" for part in loc) or "body"
