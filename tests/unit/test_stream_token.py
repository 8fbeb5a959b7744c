"""Stream tokens: what one says, who may have signed it, when it is over, and that it counts once."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from pod.domain.spent_tokens import SpentTokens
from pod.domain.stream_token import (
    MOST_VIEWER_CHARS,
    TYPE,
    Refused,
    StreamToken,
    concerns,
    is_in_time,
    read,
    sign,
)
from pod.web.bearer import bearer_of

KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()
KEYS = {"cloud-1": KEY.public_key()}
NOW_S = 1_800_000_000.0
TOKEN = StreamToken(
    kid="cloud-1",
    audience="site/pod-abc",
    camera="entry",
    viewer="resident 12",
    id="0123456789abcdef",
    issued_s=NOW_S,
    expires_s=NOW_S + 60,
)
CLAIMS = {
    "aud": "site/pod-abc",
    "cam": "entry",
    "sub": "resident 12",
    "jti": "x1",
    "iat": NOW_S,
    "exp": NOW_S + 60,
}


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(head: object, claims: object, key: Ed25519PrivateKey = KEY) -> str:
    """Whatever parts, properly signed."""
    text = f"{part(head)}.{part(claims)}"
    return f"{text}.{part(key.sign(text.encode()))}"


def head(**changes: object) -> dict[str, object]:
    return {"alg": "EdDSA", "kid": "cloud-1", "typ": TYPE} | changes


def test_the_longest_name_may_be_of_any_letters() -> None:
    """JSON may write one letter as two escapes of six characters."""
    longest = replace(TOKEN, viewer="\N{GRINNING FACE}" * MOST_VIEWER_CHARS)
    text = sign(longest, KEY)
    assert read(text, KEYS) == longest
    assert bearer_of(Headers({"authorization": f"Bearer {text}"})) == text


def code_of(found: object) -> str:
    assert isinstance(found, Refused), found
    return found.code


def test_a_token_reads_back_as_it_was_signed() -> None:
    assert read(sign(TOKEN, KEY), KEYS) == TOKEN


def test_a_token_of_another_jwt_library_is_read() -> None:
    text = jwt.encode(CLAIMS, KEY, algorithm="EdDSA", headers={"kid": "cloud-1", "typ": TYPE})
    assert read(text, KEYS) == replace(TOKEN, id="x1")


def test_another_jwt_library_reads_our_tokens() -> None:
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(
        sign(TOKEN, KEY), KEY.public_key(), algorithms=["EdDSA"], audience="site/pod-abc", options=options
    )
    assert claims == CLAIMS | {"jti": TOKEN.id}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="no parts"),
        pytest.param("a.b.c", id="short parts"),
        pytest.param("e" * 100_000, id="giant"),
        pytest.param(f"{part(head())}.{part(CLAIMS)}.", id="no signature"),
        pytest.param(f"{part(head(alg='none'))}.{part(CLAIMS)}." + "A" * 86, id="algorithm none"),
        pytest.param(signed(head(alg="none"), CLAIMS), id="algorithm none, signed"),
        pytest.param(signed(head(alg="HS256"), CLAIMS), id="another algorithm"),
        pytest.param(
            jwt.encode(CLAIMS, part(b"x" * 32), algorithm="HS256", headers={"kid": "cloud-1", "typ": TYPE}),
            id="a shared secret",
        ),
        pytest.param(signed(head(typ="JWT"), CLAIMS), id="a token for something else"),
        pytest.param(signed(head(kid="cloud-2"), CLAIMS), id="unknown key"),
        pytest.param(signed(head(kid=None), CLAIMS), id="no key"),
        pytest.param(signed(head(kid=["cloud-1"]), CLAIMS), id="a list of keys"),
        pytest.param(signed(head(jwk={"kty": "OKP"}), CLAIMS), id="brings a key of its own"),
        pytest.param(signed(head(crit=["b64"], b64=False), CLAIMS), id="critical extension"),
        pytest.param(signed(head(), CLAIMS, OTHER_KEY), id="signed by another key"),
        pytest.param(signed(b"[" * 140, CLAIMS), id="nested head"),
        pytest.param(signed(head(), b"[" * 700), id="nested claims"),
        pytest.param(signed(head(), b"[" * 1790), id="claims nested deeper than can be read"),
        pytest.param(signed(head(), []), id="claims are a list"),
        pytest.param(signed(head(), CLAIMS | {"nbf": NOW_S + 30}), id="a claim that is not known"),
        pytest.param(signed(head(), {k: v for k, v in CLAIMS.items() if k != "exp"}), id="no end"),
        pytest.param(signed(head(), CLAIMS | {"exp": True}), id="end is no number"),
        pytest.param(signed(head(), CLAIMS | {"exp": float("nan")}), id="end is not a number"),
        pytest.param(signed(head(), CLAIMS | {"exp": float("inf")}), id="end is infinite"),
        pytest.param(
            signed(head(), json.dumps(CLAIMS).encode()[:-1] + b', "exp": 1' + b"0" * 400 + b"}"),
            id="huge end",
        ),
        pytest.param(signed(head(), CLAIMS | {"aud": ["site/pod-abc"]}), id="several audiences"),
        pytest.param(signed(head(), CLAIMS | {"sub": ""}), id="nobody"),
        pytest.param(signed(head(), CLAIMS | {"sub": "a\nb"}), id="a viewer of two lines"),
        pytest.param(signed(head(), CLAIMS | {"sub": "\ud800"}), id="a viewer that is no text"),
        pytest.param(signed(head(), CLAIMS | {"sub": "a" * 101}), id="a viewer without end"),
        pytest.param(signed(head(), CLAIMS | {"jti": ""}), id="no name"),
    ],
)
def test_what_is_no_token_of_a_trusted_key_is_refused(text: str) -> None:
    assert code_of(read(text, KEYS)) == "bad_token"


@given(
    st.text(max_size=400) | st.binary(max_size=300).map(lambda raw: f"{part(head())}.{part(raw)}." + "A" * 86)
)
def test_no_text_whatever_is_met_by_anything_but_a_refusal(text: str) -> None:
    assert code_of(read(text, KEYS)) == "bad_token"


@given(at=st.integers(0, 10_000), flip=st.integers(1, 127))
def test_a_token_with_one_character_changed_says_nothing_else(at: int, flip: int) -> None:
    text = sign(TOKEN, KEY)
    at %= len(text)
    changed = text[:at] + chr(ord(text[at]) ^ flip) + text[at + 1 :]
    found = read(changed, KEYS)
    assert found == TOKEN or code_of(found) == "bad_token"  # the last character holds bits that mean nothing


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        pytest.param({"audience": "site/pod-xyz", "camera": "entry"}, "wrong_pod", id="another POD"),
        pytest.param({"audience": "site/pod-abc", "camera": "exit"}, "wrong_camera", id="another camera"),
    ],
)
def test_a_token_opens_nothing_but_its_own_camera_at_its_own_pod(wish: dict[str, str], code: str) -> None:
    assert code_of(concerns(TOKEN, audience=wish["audience"], camera=wish["camera"])) == code
    assert concerns(TOKEN, audience="site/pod-abc", camera="entry") is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda t: replace(t, issued_s=NOW_S - 15, expires_s=NOW_S), "expired", id="just over"),
        pytest.param(lambda t: replace(t, issued_s=NOW_S - 60, expires_s=NOW_S), "expired", id="over"),
        pytest.param(lambda t: replace(t, issued_s=NOW_S + 6, expires_s=NOW_S + 50), "expired", id="to come"),
        pytest.param(lambda t: replace(t, expires_s=NOW_S + 61), "bad_token", id="good for too long"),
        pytest.param(lambda t: replace(t, issued_s=NOW_S - 30), "bad_token", id="good for too long already"),
        pytest.param(
            lambda t: replace(t, issued_s=NOW_S - 20, expires_s=NOW_S + 9), "expired", id="before the start"
        ),
    ],
)
def test_a_token_is_good_for_a_minute_after_the_start(
    change: Callable[[StreamToken], StreamToken], code: str
) -> None:
    assert code_of(is_in_time(change(TOKEN), now_s=NOW_S, since_s=NOW_S - 20)) == code


def test_a_token_in_its_minute_is_in_time() -> None:
    for now_s in (NOW_S - 5, NOW_S, NOW_S + 59.9):
        assert is_in_time(TOKEN, now_s=now_s, since_s=NOW_S - 20) is None


def test_a_token_counts_once() -> None:
    spent = SpentTokens()
    assert [spent.spend(name, expires_s=9.0) for name in ("a", "b", "a", "b")] == [True, True, False, False]


def test_a_full_memory_refuses_what_it_can_no_longer_tell_from_a_replay() -> None:
    spent = SpentTokens(most=2)
    assert spent.spend("a", expires_s=10)
    assert spent.spend("b", expires_s=30)
    assert spent.spend("c", expires_s=20)  # a, which ends first, is forgotten
    assert not spent.spend("a", expires_s=10)
    assert not spent.spend("never seen", expires_s=10)
    assert spent.spend("later", expires_s=11)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=60), st.integers(1, 5))
def test_no_order_and_no_bound_lets_a_token_count_twice(uses: list[tuple[int, int]], most: int) -> None:
    spent, fresh = SpentTokens(most=most), []
    ends: dict[int, int] = {}
    for name, end in uses:
        if spent.spend(str(name), expires_s=ends.setdefault(name, end)):
            fresh.append(name)
        assert len(spent) <= most
    assert len(fresh) == len(set(fresh))
