"""One connection to a broker: plain MQTT 3.1.1 at QoS 0, in bounds, over paho in a thread of its own.

It ends once, and is not made anew here: when to come back, and to which broker, is its owner's to say.
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sync.mqtt.address import BrokerAddress, TlsFiles
from sync.mqtt.connection_faults import why_no_link
from sync.mqtt.errors import LinkBusyError, LinkError

CONNECT_TIMEOUT_S = 10.0
OUTBOX_MESSAGES = 2_000
OUTBOX_BYTES = 16 * 2**20
_CLOSE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Message:
    """What came from the broker.

    Attributes:
        retained: the broker kept it for whoever comes later: it is no news.
    """

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker is to publish, retained, once this connection is lost."""

    topic: str
    payload: bytes


@asynccontextmanager
async def connect(
    address: BrokerAddress,
    *,
    client_id: str,
    tls: TlsFiles | None = None,
    username: str | None = None,
    password: str | None = None,
    will: Will | None = None,
    keepalive_s: int = 30,
    inbox_messages: int = 1_000,
    inbox_bytes: int = 8 * 2**20,
) -> AsyncIterator["MqttLink"]:
    """A connection for as long as the block runs.

    Args:
        tls: of `mqtts` and `wss`; None: whom this machine trusts, and no certificate.
        keepalive_s: a broker that says nothing for one and a half times as long is given up.
        inbox_messages, inbox_bytes: what may wait for `messages`; what comes beyond is dropped, and counted.

    Raises:
        LinkError: there is none; the message says why and what to do.
    """
    link = MqttLink(address, client_id, inbox_messages=inbox_messages, inbox_bytes=inbox_bytes)
    client = link._client
    client.connect_timeout = CONNECT_TIMEOUT_S
    if address.scheme != "mqtt":
        client.tls_set_context((tls or TlsFiles(None)).context())
    if address.scheme == "wss":
        client.ws_set_options(path=address.path)
    if username is not None:
        client.username_pw_set(username, password)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=0, retain=True)
    try:
        await link._open(keepalive_s)
        yield link
    finally:
        await link._close()


class MqttLink:
    """A connection that is open, made by `connect`. For the event loop that it was made on.

    Attributes:
        dropped: messages that came while the inbox was full.
    """

    def __init__(
        self, address: BrokerAddress, client_id: str, *, inbox_messages: int, inbox_bytes: int
    ) -> None:
        self.dropped = 0
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._most_messages, self._most_bytes = inbox_messages, inbox_bytes
        self._inbox: deque[Message] = deque()
        self._inbox_bytes = 0
        self._lock = threading.Lock()
        """Guards the inbox and what is on its way out, which paho's thread changes, too."""
        self._woken = False
        self._news = asyncio.Event()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._ended: LinkError | None = None
        self._is_closing = False
        self._unsent: deque[int] = deque()
        self._unsent_bytes = 0
        self._connection: socket.socket | None = None
        self._client = _Client(client_id, is_websocket=address.scheme == "wss", on_opened=self._opened)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{client_id}", daemon=True)
        self._keepalive_s = 30
        self._over = asyncio.Event()
        self._is_serving = False

    @property
    def outbox_bytes(self) -> int:
        """Payloads that are still here."""
        return self._unsent_bytes

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Have these topics delivered, at QoS 0; returns once the broker granted them.

        Raises:
            LinkError: it does not, or the connection ended.
        """
        granted = self._loop.create_future()
        with self._lock:  # the answer cannot come before its future is there
            code, number = self._client.subscribe([(topic, 0) for topic in topics])
            if number is not None:
                self._subscribed[number] = granted
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._ended or LinkError("closed", f"{self._address}: the connection ended")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await granted
        except TimeoutError:
            raise LinkError("silent", f"{self._address} does not answer a subscription") from None

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message to the connection, at QoS 0: nobody says whether it arrives. Never blocks.

        Raises:
            LinkBusyError: too much waits already.
            LinkError: the connection ended.
        """
        if self._ended is not None:
            raise self._ended
        with self._lock:
            if len(self._unsent) >= OUTBOX_MESSAGES or self._unsent_bytes + len(payload) > OUTBOX_BYTES:
                raise LinkBusyError(f"{self._address} takes less than is sent to it")
            self._unsent.append(len(payload))
            self._unsent_bytes += len(payload)
        if (
            self._client.publish(topic, payload, qos=0, retain=retain).rc
            is not MQTTErrorCode.MQTT_ERR_SUCCESS
        ):
            raise self._ended or LinkError("closed", f"{self._address}: the connection ended")

    async def messages(self) -> AsyncIterator[Message]:
        """What comes, in its order, for as long as the connection lasts.

        Raises:
            LinkError: it ended, and all that had come was taken.
        """
        while True:
            with self._lock:
                message = self._inbox.popleft() if self._inbox else None
                if message is None:
                    self._woken = False
                    self._news.clear()
                else:
                    self._inbox_bytes -= len(message.payload)
            if message is not None:
                yield message
            elif self._ended is not None:
                raise self._ended
            else:
                await self._news.wait()

    async def _open(self, keepalive_s: int) -> None:
        self._keepalive_s = keepalive_s
        self._thread.start()
        try:
            async with asyncio.timeout(3 * CONNECT_TIMEOUT_S):
                await self._connected
        except TimeoutError:
            raise LinkError(
                "silent", f"{self._address} does not answer: see that a broker listens there"
            ) from None

    async def _close(self) -> None:
        """End the connection in order, so that no will is published; what still waits is sent first.

        One that was still being made ends here, too, and never says to the broker who it is: it would throw
        out the next one of the same name.
        """
        with self._lock:
            self._is_closing = True
            connection, is_serving = self._connection, self._is_serving
        if connection is None:
            return  # nothing but a name or a port is looked for; `_opened` ends it
        try:
            if is_serving:
                self._client.disconnect()
                await self._is_over(_CLOSE_TIMEOUT_S)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # who takes or says nothing would hold it for ever
            if await self._is_over(_CLOSE_TIMEOUT_S) and is_serving:
                await asyncio.to_thread(self._client.loop_stop)
        finally:
            connection.close()

    async def _is_over(self, timeout_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._over.wait()
        return self._over.is_set()

    def _opened(self, connection: socket.socket) -> None:
        """There is a socket; neither TLS nor MQTT was spoken.

        Raises:
            ConnectionAbortedError: nobody wants it any more.
        """
        with self._lock:
            if self._is_closing:
                raise ConnectionAbortedError
            self._connection = connection.dup()  # TLS takes the first for itself

    def _run(self) -> None:
        """In its own thread: connect; then paho's thread serves the socket until the connection ends."""
        try:
            self._client.connect(self._address.host, self._address.port, self._keepalive_s)
        except Exception as error:
            self._end(why_no_link(self._address, error))
            return
        with self._lock:
            if not self._is_closing:
                self._is_serving = True
                self._client.loop_start()
                return
        self._client.disconnect()
        self._end(LinkError("closed", f"{self._address}: left before it answered"))

    def _end(self, error: LinkError) -> None:
        if not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                self._loop.call_soon_threadsafe(self._ended_by, error)

    def _ended_by(self, error: LinkError) -> None:
        self._ended = self._ended or error
        for waiting in (self._connected, *self._subscribed.values()):
            if not waiting.done():
                waiting.set_exception(self._ended)
                waiting.exception()  # nobody may be waiting any more
        self._over.set()
        self._news.set()

    def _in_loop(self, call: partial[None]) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._end(
                LinkError(
                    "refused",
                    f"{self._address} refuses this client ({reason}): see that it is registered, not revoked",
                )
            )
            return
        self._in_loop(partial(_settle, self._connected))

    def _on_subscribe(
        self,
        client: paho.Client,
        userdata: object,
        number: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        with self._lock:
            granted = self._subscribed.pop(number, None)
        if granted is None:
            return
        refused = any(reason.is_failure for reason in reasons)
        error = LinkError("refused", f"{self._address} refuses a subscription: see its access rules")
        self._in_loop(partial(_settle, granted, error if refused else None))

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        with self._lock:
            is_full = (
                len(self._inbox) >= self._most_messages or self._inbox_bytes + len(payload) > self._most_bytes
            )
            if is_full:
                self.dropped += 1
                return
            self._inbox.append(Message(message.topic, payload, bool(message.retain)))
            self._inbox_bytes += len(payload)
            if self._woken:
                return
            self._woken = True
        self._in_loop(partial(self._news.set))

    def _on_publish(
        self,
        client: paho.Client,
        userdata: object,
        number: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._lock:  # QoS 0 leaves in the order that it was handed over
            self._unsent_bytes -= self._unsent.popleft()

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        told = LinkError("closed", f"{self._address}: the connection ended ({reason})")
        self._end(told)


class _Client(paho.Client):
    """paho's client, which tells of its socket before TLS, WebSocket or MQTT is spoken over it.

    paho has no such callback, and without the socket nobody could end a handshake that never does.
    """

    def __init__(
        self, client_id: str, *, is_websocket: bool, on_opened: Callable[[socket.socket], None]
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv311,
            transport="websockets" if is_websocket else "tcp",
            reconnect_on_failure=False,
        )
        self._on_opened = on_opened

    def _create_socket_connection(self) -> socket.socket:
        connection = super()._create_socket_connection()
        try:
            self._on_opened(connection)
        except OSError:
            connection.close()
            raise
        return connection


def _settle(future: "asyncio.Future[None]", error: LinkError | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
