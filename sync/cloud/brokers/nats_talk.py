"""What nats-server asks about a client, and what servers answer to whoever oversees them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import nats.errors
from nats.aio.client import Client

from sync.cloud.brokers.admission import Shown
from sync.cloud.brokers.nats_words import claims_of

_SILENCE_S = 0.3
_MOST_SERVERS = 64


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """One question about one client.

    Attributes:
        user_key: that the answer is for.
        server: who asks.
        host: the client's address, for the log.
    """

    user_key: str
    server: str
    host: str
    shown: Shown

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """The question in a server's token.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is none.
        """
        asked = _object(claims_of(raw)["nats"])
        client, options = _object(asked["client_info"]), _object(asked["connect_opts"])
        shown = Shown(
            client_id=str(client.get("mqtt_id", "")),
            user=str(options.get("user", "")),
            password=str(options.get("pass", "")),
            certificate_pem=_certificate(asked.get("client_tls")),
        )
        server = _object(asked["server_id"])["id"]
        return cls(str(asked["user_nkey"]), str(server), str(client.get("host", "")), shown)


def _certificate(tls: object) -> bytes | None:
    """The client's own, of a chain that the server proved."""
    if tls is None:
        return None
    chains = _object(tls).get("verified_chains")
    if not isinstance(chains, list) or not chains:
        return None
    first = chains[0]
    if not isinstance(first, list) or not first:
        raise ValueError("an empty chain")
    return str(first[0]).encode()


async def servers_answers(
    client: Client, subject: str, question: bytes
) -> AsyncIterator[tuple[str, list[int]]]:
    """The id of each server of the cluster, and the numbers of its connections that the question is about."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox, pending_msgs_limit=_MOST_SERVERS)
    try:
        await client.publish(subject, question, reply=inbox)
        while True:
            try:
                answer = await answers.next_msg(timeout=_SILENCE_S)
            except nats.errors.TimeoutError:
                return
            told = _object(json.loads(answer.data))
            if "data" not in told:
                continue
            connections = _object(told["data"]).get("connections")
            listed = connections if isinstance(connections, list) else []
            numbers = [_object(one)["cid"] for one in listed]
            yield str(_object(told["server"])["id"]), [one for one in numbers if isinstance(one, int)]
    finally:
        await answers.unsubscribe()


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value
