"""Look up a host name without holding up the event loop, nor the end of the process."""

import asyncio
import contextlib
import ipaddress
import socket
import threading


async def ip_of(host: str) -> str:
    """An IP address of this name, IPv4 where it has one.

    On a thread that nobody waits for: asyncio's own would hold up the end of the loop while a name server is
    silent, which takes half a minute.

    Raises:
        OSError: it has none, or no name server answers.
    """
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def tell(ip: str | None, error: OSError | None) -> None:
        if found.done():
            return
        if ip is not None:
            found.set_result(ip)
        else:
            found.set_exception(error or OSError("no address"))

    def look() -> None:
        ip, error = None, None
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            answers.sort(key=lambda answer: answer[0] != socket.AF_INET)
            ip = str(answers[0][4][0])
        except OSError as problem:
            error = problem
        except UnicodeError:
            error = OSError("no host name")
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, ip, error)

    threading.Thread(target=look, name="look up a server", daemon=True).start()
    return await found
