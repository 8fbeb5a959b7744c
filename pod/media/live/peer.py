"""One viewer's WebRTC connection: ICE, DTLS and the answer by aiortc, the sending by the camera's relay."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Literal

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from pod.media.live.aiortc_private import OwnSender
from pod.media.live.candidates import ViewerCandidate
from pod.media.live.gathering import Gather
from pod.media.live.host_addresses import host_addresses
from pod.media.live.offer import Offer
from pod.media.live.relay import CameraRelay
from pod.media.live.sessions import VideoPath
from pod.media.live.viewer import ViewerStats

log = logging.getLogger(__name__)

PeerState = Literal["connected", "failed", "closed"]

CLOSE_WITHIN_S = 3.0

_H264 = [
    codec
    for codec in RTCRtpSender.getCapabilities("video").codecs
    if codec.mimeType in ("video/H264", "video/rtx")
]


class Peer:
    """One connection, from the offer to its close. Belongs to the live thread."""

    def __init__(
        self,
        relay: CameraRelay,
        *,
        gather: Gather,
        on_state: Callable[[PeerState], None],
    ) -> None:
        """
        Args:
            gather: what adds candidates to those of this machine's own addresses.
            on_state: told `connected` once packets can flow, and its end: `failed` (ICE or DTLS, or the
                network to it) or `closed` (by the viewer).
        """
        self._on_state = on_state
        self._answering = asyncio.Lock()
        self._relay = relay
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._connection.on("connectionstatechange", self._changed)
        # Before the offer is looked at: aiortc would choose VP8 otherwise, and nothing would be shown.
        transceiver = self._connection.addTransceiver("video", direction="sendonly")
        transceiver.setCodecPreferences(_H264)
        sender = OwnSender(transceiver.sender)
        sender.ice.gather_by(host_addresses, gather)
        self._own_ice = sender.ice
        self._ice = transceiver.sender.transport.transport
        self._viewer = relay.attach(sender)

    @property
    def stats(self) -> ViewerStats:
        return self._viewer.stats()

    @property
    def path(self) -> VideoPath | None:
        """Which way packets go at this moment; None while there is none."""
        return self._own_ice.path

    @property
    def strange(self) -> int:
        """Datagrams to this session that no viewer sends (`OwnIce`)."""
        return self._own_ice.strange

    async def answer(self, offer: Offer) -> str:
        """Take the offer; the answer's SDP, with the POD's own candidates in it."""
        async with self._answering:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            await self._connection.setLocalDescription(await self._connection.createAnswer())
            return self._connection.localDescription.sdp

    async def add(self, candidates: Sequence[ViewerCandidate], mid: str) -> None:
        """Take in further candidates of the viewer's video."""
        for one in candidates:
            await self._connection.addIceCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=one.foundation,
                    ip=one.address,
                    port=one.port,
                    priority=one.priority,
                    protocol="udp",
                    type=one.type,
                    sdpMid=mid,
                )
            )

    async def close(self) -> None:
        """End the connection and free its sockets. May be called at any time, once."""
        self._relay.detach(self._viewer)
        try:
            # Closed while it gathers, aiortc would leave open the sockets that come after.
            async with asyncio.timeout(CLOSE_WITHIN_S), self._answering:
                await self._connection.close()
        except TimeoutError:
            log.error("a viewer's connection did not close within %.0f s", CLOSE_WITHIN_S)

    def _changed(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self._on_state("connected")
            case "failed":
                self._on_state("failed")
            case "closed":
                # Also where the network broke: DTLS then often ends before ICE has told.
                broke = self._ice.state == "failed"
                self._on_state("failed" if broke else "closed")
