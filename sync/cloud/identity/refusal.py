"""Why a POD, or whoever says that it is one, is not let in."""

from typing import Literal

RefusalCode = Literal[
    "token_unknown",
    "token_revoked",
    "token_expired",
    "token_used",
    "other_community",
    "other_key",
    "pod_revoked",
    "pod_unknown",
    "key_unknown",
    "bad_token",
    "too_often",
]


class RefusedError(Exception):
    """An expected outcome that ends a request.

    Attributes:
        code: for programs.
        sentence: for people, with the mend.
    """

    def __init__(self, code: RefusalCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code: RefusalCode = code
        self.sentence = sentence
