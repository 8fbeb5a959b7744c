"""Many datagrams to one address with few system calls: UDP segmentation offload where the kernel has it.

Linux's UDP_SEGMENT (udp(7), since 4.18): one call takes a run of datagrams of one length, of which the last
may be shorter, and the kernel or the network card cuts it.
"""

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Sequence

log = logging.getLogger(__name__)

SOL_UDP, UDP_SEGMENT = 17, 103
MOST_SEGMENTS = 60
"""Kernels before 6.9 take 64."""
MOST_BATCH_BYTES = 60_000
"""All segments of one call travel as one IP packet up to the cut: 65,535 with its headers."""

_WITHOUT_OFFLOAD = {errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EMSGSIZE}
"""What kernels and drivers say where they cannot segment."""


def runs(datagrams: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where each batch of `datagrams` begins and ends: equal lengths, the last one may be shorter. Pure."""
    found = []
    start, count = 0, len(datagrams)
    while start < count:
        length = total = len(datagrams[start])
        end = start + 1
        while end < count and end - start < MOST_SEGMENTS:
            size = len(datagrams[end])
            if size > length or total + size > MOST_BATCH_BYTES:
                break
            total += size
            end += 1
            if size < length:
                break
        found.append((start, end))
        start = end
    return found


class UdpBatch:
    """Sends to one address past asyncio's transport, by a descriptor of its own for the same socket.

    Attributes:
        offload: the kernel cuts runs of datagrams; False once it refused, each then goes by itself.
    """

    def __init__(self, transport: asyncio.DatagramTransport, address: tuple[str, int]) -> None:
        self.address = address
        self.transport = transport
        self.offload = True
        self._socket: socket.socket = transport.get_extra_info("socket").dup()

    def send(self, datagrams: Sequence[bytes]) -> int:
        """Send from the front; how many went, fewer than given where the socket is full.

        Raises:
            OSError: the network cannot be reached.
        """
        sent = 0
        for start, end in runs(datagrams):
            if self.offload and end - start > 1:
                done = self._send_run(datagrams[start:end])
            else:
                done = self._send_each(datagrams[start:end])
            sent += done
            if done < end - start:
                break
        return sent

    def close(self) -> None:
        """Let go of the descriptor; the transport's own stays open."""
        self._socket.close()

    def _send_run(self, datagrams: Sequence[bytes]) -> int:
        cut = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", len(datagrams[0])))]
        try:
            self._socket.sendmsg(datagrams, cut, 0, self.address)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in _WITHOUT_OFFLOAD:
                raise
            self.offload = False
            log.warning("no UDP segmentation offload here (%s): live video costs more of the CPU", error)
            return self._send_each(datagrams)
        return len(datagrams)

    def _send_each(self, datagrams: Sequence[bytes]) -> int:
        for sent, datagram in enumerate(datagrams):
            try:
                self._socket.sendto(datagram, self.address)
            except BlockingIOError:
                return sent
        return len(datagrams)
