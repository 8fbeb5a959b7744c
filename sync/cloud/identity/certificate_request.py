"""Read a POD's certificate request: its key alone counts, once proved to be its maker's. Pure."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sync.cloud.errors import IdentityError

MAX_REQUEST_BYTES = 8 * 1024

PodPublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

_MEND = "send what `platebridge pod enroll` makes, a PKCS #10 request in PEM with an Ed25519 or P-256 key"


def key_of_request(csr_pem: bytes) -> PodPublicKey:
    """The key of whoever made this request; its names and extensions are passed over.

    Raises:
        IdentityError: it is no request, its signature does not fit, or its key is of another kind.
    """
    if len(csr_pem) > MAX_REQUEST_BYTES:
        raise IdentityError(f"a certificate request of more than {MAX_REQUEST_BYTES} bytes: {_MEND}")
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        key, is_proved = request.public_key(), request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise IdentityError(f"no certificate request that can be read: {_MEND}") from None
    checked = check_key(key)
    if not is_proved:
        raise IdentityError(f"a certificate request whose signature does not fit its key: {_MEND}")
    return checked


def check_key(key: object) -> PodPublicKey:
    """The key, once it is of a kind that every broker takes and that is strong enough.

    Raises:
        IdentityError: it is of another kind.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise IdentityError(f"a certificate request with a key of another kind: {_MEND}")


def public_der(key: PodPublicKey) -> bytes:
    """A key as the cloud keeps it: SubjectPublicKeyInfo, DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_from_der(der: bytes) -> PodPublicKey:
    """The key that `public_der` wrote.

    Raises:
        IdentityError: it is none.
    """
    try:
        return check_key(serialization.load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError(
            "a POD's key in the database that cannot be read: let the POD enroll anew"
        ) from None
