"""Tokens that a POD mints: what proves that it is there, and what does not."""

import base64
import json
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from sync.protocol.errors import ProtocolError, UntrustedError
from sync.protocol.pod_jwt import LEEWAY_S, LIFE_S, TYPE, check, claimed_pod, mint

NOW_S = 1_790_000_000.0
ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
KEYS = {"EdDSA": ED, "ES256": P256}
ID = "0123456789abcdef"


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_proves_its_pod_for_a_minute(algorithm: str) -> None:
    key = KEYS[algorithm]
    token = mint("pod-a", key, audience="mqtt", id=ID, now_s=NOW_S)
    assert claimed_pod(token) == "pod-a"
    for now_s in (NOW_S - LEEWAY_S, NOW_S, NOW_S + LIFE_S - 0.1):
        assert check(token, key.public_key(), pod="pod-a", audience="mqtt", now_s=now_s) == ID


@pytest.mark.parametrize("algorithm", KEYS)
def test_any_library_reads_what_a_pod_mints(algorithm: str) -> None:
    key = KEYS[algorithm]
    token = mint("pod-a", key, audience="mqtt", id=ID, now_s=NOW_S)
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = pyjwt.decode(token, key.public_key(), [algorithm], audience="mqtt", options=options)
    assert claims["sub"] == "pod-a"


@pytest.mark.parametrize(
    ("pod", "audience", "now_s", "why"),
    [
        pytest.param("pod-b", "mqtt", NOW_S, "another POD", id="another POD"),
        pytest.param("pod-a", "api", NOW_S, "something else", id="another use"),
        pytest.param("pod-a", "mqtt", NOW_S + LIFE_S, "too old", id="over"),
        pytest.param("pod-a", "mqtt", NOW_S - LEEWAY_S - 1, "from the future", id="future"),
        pytest.param("pod-a", "mqtt", 0.0, "from the future", id="1970"),
        pytest.param("pod-a", "mqtt", 4.1e9, "too old", id="2099"),
    ],
)
def test_a_token_proves_nothing_else(pod: str, audience: str, now_s: float, why: str) -> None:
    token = mint("pod-a", ED, audience="mqtt", id=ID, now_s=NOW_S)
    with pytest.raises(UntrustedError, match=why):
        check(token, ED.public_key(), pod=pod, audience=audience, now_s=now_s)


def forged(head: dict[str, Any], claims: dict[str, Any]) -> str:
    def coded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    signed = f"{coded(head)}.{coded(claims)}"
    return f"{signed}.{base64.urlsafe_b64encode(ED.sign(signed.encode())).rstrip(b'=').decode()}"


HEAD = {"alg": "EdDSA", "typ": TYPE}
CLAIMS: dict[str, Any] = {"sub": "pod-a", "aud": "mqtt", "jti": ID, "iat": NOW_S, "exp": NOW_S + 60}


@pytest.mark.parametrize(
    ("head", "claims"),
    [
        pytest.param({**HEAD, "alg": "none"}, CLAIMS, id="no algorithm"),
        pytest.param({**HEAD, "alg": "HS256"}, CLAIMS, id="another algorithm"),
        pytest.param({**HEAD, "typ": "JWT"}, CLAIMS, id="another type"),
        pytest.param({**HEAD, "jwk": {}}, CLAIMS, id="a key in the head"),
        pytest.param(HEAD, {**CLAIMS, "exp": NOW_S + 61}, id="for too long"),
        pytest.param(HEAD, {**CLAIMS, "exp": float("nan")}, id="NaN"),
        pytest.param(HEAD, {**CLAIMS, "exp": 10**400}, id="a giant number"),
        pytest.param(HEAD, {**CLAIMS, "iat": True}, id="a truth value"),
        pytest.param(HEAD, {**CLAIMS, "admin": True}, id="one claim more"),
        pytest.param(HEAD, {k: v for k, v in CLAIMS.items() if k != "jti"}, id="one claim less"),
        pytest.param(HEAD, {**CLAIMS, "jti": "short"}, id="a short id"),
        pytest.param(HEAD, {**CLAIMS, "aud": ["mqtt"]}, id="several audiences"),
    ],
)
def test_a_token_that_says_anything_else_is_refused_though_the_pod_signed_it(
    head: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert check(forged(HEAD, CLAIMS), ED.public_key(), pod="pod-a", audience="mqtt", now_s=NOW_S)
    with pytest.raises(UntrustedError):
        check(forged(head, claims), ED.public_key(), pod="pod-a", audience="mqtt", now_s=NOW_S)


def test_a_token_of_another_key_proves_nothing() -> None:
    token = mint("pod-a", ed25519.Ed25519PrivateKey.generate(), audience="mqtt", id=ID, now_s=NOW_S)
    for key in (ED, P256):
        with pytest.raises(UntrustedError):
            check(token, key.public_key(), pod="pod-a", audience="mqtt", now_s=NOW_S)


@given(st.data())
def test_a_token_with_one_character_changed_proves_nothing(data: st.DataObject) -> None:
    token = mint("pod-a", ED, audience="mqtt", id=ID, now_s=NOW_S)
    # The last character of the signature has spare bits, which base64 passes over.
    at = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda c: c != token[at]))
    with pytest.raises(UntrustedError):
        check(
            token[:at] + other + token[at + 1 :], ED.public_key(), pod="pod-a", audience="mqtt", now_s=NOW_S
        )


@given(st.text(max_size=300))
def test_no_text_whatever_is_met_by_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(ProtocolError):
        claimed_pod(text)
    with pytest.raises(UntrustedError):
        check(text, ED.public_key(), pod="pod-a", audience="mqtt", now_s=NOW_S)
