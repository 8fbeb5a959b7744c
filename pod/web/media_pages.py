"""The files of kept pictures and clips: for who is signed in, and for who was given a link."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from pod.web.pages import Pages, SignedIn
from pod.web.view import MediaPlace, PodView

LARGEST_ID = 2**63 - 1
"""Of a row in the database."""

MOST_HOURS = 7 * 24
LONGEST_TOKEN = 200

_TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}

MediaId = Annotated[int, Path(ge=0, le=LARGEST_ID)]
AsDownload = Annotated[bool, Query(alias="download")]


class KeptFile(FileResponse):
    """A file as it was when it was asked for, though it is deleted, or grows as recorded, while it is sent.

    Args:
        gone: what is answered where it was deleted since its row was read.
    """

    def __init__(
        self, place: MediaPlace, *, filename: str, content_disposition_type: str, gone: Response
    ) -> None:
        super().__init__(
            place.path,
            media_type=_TYPES[place.path.suffix],
            filename=filename,
            content_disposition_type=content_disposition_type,
        )
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            file = await asyncio.to_thread(open, self.path, "rb", buffering=0)
        except OSError:
            await self._gone(scope, receive, send)
            return
        with file:
            self.path = f"/proc/self/fd/{file.fileno()}"  # leads to the file, whatever becomes of its name
            await self._send(scope, receive, send)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = 0

        async def said(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = int(Headers(raw=message["headers"])["content-length"])
            else:
                message["body"] = message["body"][:left]
                left -= len(message["body"])
            await send(message)

        await super().__call__(scope, receive, said)


def router(pages: Pages, view: PodView) -> APIRouter:
    """`/media/ID`, `/media/ID/link` and `/shared/TOKEN`."""
    routes = APIRouter(include_in_schema=False)

    async def find(media_id: int) -> MediaPlace | None:
        return await asyncio.to_thread(view.media.place, media_id) if view.media is not None else None

    def gone(request: Request) -> Response:
        sentence = (
            "It was deleted: what is kept goes when its time is over, and makes room when the disk gets full."
        )
        return pages.refuse(request, 404, heading="This is kept no more", sentence=sentence)

    def served(request: Request, place: MediaPlace, *, as_download: bool) -> Response:
        """With byte ranges; no browser keeps it (`page.SECURITY_HEADERS`): once erased, nobody has it."""
        taken = place.at.astimezone(view.time_zone).strftime("%Y-%m-%dT%H-%M-%S")
        return KeptFile(
            place,
            filename=f"{place.camera}-{taken}-{place.kind}{place.path.suffix}",
            content_disposition_type="attachment" if as_download else "inline",
            gone=gone(request),
        )

    @routes.api_route("/media/{media_id}", methods=["GET", "HEAD"])
    async def file(request: Request, media_id: MediaId, as_download: AsDownload = False) -> Response:
        """One picture or clip."""
        place = await find(media_id)
        return gone(request) if place is None else served(request, place, as_download=as_download)

    @routes.post("/media/{media_id}/link")
    async def link(
        request: Request,
        session: SignedIn,
        media_id: MediaId,
        hours: Annotated[int, Form(ge=1, le=MOST_HOURS)] = 24,
    ) -> Response:
        """A link to it that opens without a sign-in; the audit says who gave it away."""
        place, links = await find(media_id), view.links
        if place is None or links is None:
            return gone(request)
        token, until = await asyncio.to_thread(links.make, media_id, hours)
        about = {"media": media_id, "kind": place.kind, "approach": place.approach, "camera": place.camera}
        view.record("media_shared", about | {"until": until.isoformat(), "by": session.by})
        return JSONResponse({"path": f"/shared/{token}", "until": until.isoformat()}, 201)

    @routes.api_route("/shared/{token}", methods=["GET", "HEAD"])
    async def shared(
        request: Request,
        token: Annotated[str, Path(max_length=LONGEST_TOKEN)],
        as_download: AsDownload = False,
    ) -> Response:
        """What a link was given for."""
        links = view.links
        media_id = None if links is None else await asyncio.to_thread(links.opens, token)
        place = None if media_id is None else await find(media_id)
        if place is None:
            sentence = (
                "This link is none of this POD's, its time is over, or what it showed was deleted. "
                "Ask whoever gave it to you for a new one."
            )
            return pages.refuse(request, 404, heading="This link opens nothing", sentence=sentence)
        return served(request, place, as_download=as_download)

    return routes
