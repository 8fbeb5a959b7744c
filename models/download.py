"""Fetches one file over HTTPS into a part file: resumed, bounded, checked. Knows nothing of models.

A part file has a note beside it, with what the server called the content (a strong ETag, or its date). A
later attempt asks for the rest under the condition that it is still that content (If-Range, RFC 9110 section
13.1.5); a server that knows no ranges, or has something new, begins anew.
"""

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from models.disk import full_disk, short_of_space
from models.manifest import ModelError
from models.watched import Watch
from models.web import PassingError, check_url, told, without_secrets

_CHUNK_BYTES = 1 << 16
_SPAN = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15})")
_FINAL = {
    401: "wants a sign-in",
    403: "refuses",
    404: "has no such file",
    407: "is behind a proxy that wants a sign-in: put user and password into HTTPS_PROXY",
    410: "has that file no more",
    451: "may not give it out here",
}


class Report(Protocol):
    """Who is told how a download goes."""

    def progress(self, done_bytes: int, total_bytes: int | None) -> None:
        """So much of the file is here."""

    def waits(self, reason: str, delay_s: float) -> None:
        """An attempt failed, and the next one follows after a delay."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a download may take, and how often it is tried.

    Attributes:
        stall_s: a server that says nothing for so long is given up for this attempt.
        progress_s: one that gives no byte of the file for so long, whatever else it says, is given up, too.
        deadline_s: of the whole file, all attempts together.
        attempts: in a row without a single byte; a byte more begins the count again.
        first_delay_s: before the second attempt; it doubles with each.
    """

    stall_s: float = 20.0
    progress_s: float = 60.0
    deadline_s: float = 3600.0
    attempts: int = 4
    first_delay_s: float = 1.0


PATIENT = Limits()


def fetch(
    url: str,
    part: Path,
    *,
    sha256: str | None,
    size_bytes: int | None,
    most_bytes: int,
    report: Report,
    limits: Limits = PATIENT,
) -> str:
    """Fetches a file to `part`, going on where an earlier call stopped.

    Args:
        sha256: what the content must be; None: whatever comes.
        size_bytes: its length where that is known.
        most_bytes: a longer answer is refused.

    Returns:
        the SHA-256 of the content, which is whole and synced.

    Raises:
        ModelError: it cannot be had. The part stays where a later call can go on, and nowhere else.
    """
    check_url(url)
    download = _Download(url, part, sha256, size_bytes, most_bytes, report, limits)
    return download.run()


@dataclass(slots=True)
class _Download:
    url: str
    part: Path
    sha256: str | None
    size_bytes: int | None
    most_bytes: int
    report: Report
    limits: Limits

    def run(self) -> str:
        deadline_s = time.monotonic() + self.limits.deadline_s
        failed = 0
        while True:
            before = self._have_bytes()
            try:
                self._attempt(deadline_s)
                break
            except PassingError as fault:
                failed = 1 if self._have_bytes() > before else failed + 1
                delay_s = self.limits.first_delay_s * 2 ** (failed - 1)
                if failed >= self.limits.attempts or time.monotonic() + delay_s > deadline_s:
                    raise ModelError(self._given_up(str(fault))) from None
                self.report.waits(str(fault), delay_s)
                time.sleep(delay_s)
        return self._proved()

    def _given_up(self, reason: str) -> str:
        kept = f"; {self._have_bytes():,} bytes are kept for the next try" if self._have_bytes() else ""
        return (
            f"{without_secrets(self.url)}: {reason}{kept}: connect this machine to the internet and try "
            "again, or bring the file in a folder and name that with --from"
        )

    def _attempt(self, deadline_s: float) -> None:
        offset, validator = self._resumable()
        if offset and offset == self.size_bytes:
            return
        request = urllib.request.Request(  # noqa: S310 - check_url admits https and this machine alone
            self.url, headers={"User-Agent": "platebridge", "Accept-Encoding": "identity"}
        )
        if offset:
            request.add_header("Range", f"bytes={offset}-")
            request.add_header("If-Range", validator)
        with Watch(self.limits.progress_s) as watch:
            try:
                self._asked(request, offset, watch, deadline_s)
            except PassingError:
                if not watch.is_stalled:
                    raise
                host, limit_s = urlsplit(self.url).hostname, self.limits.progress_s
                raise PassingError(f"{host} gives nothing of the file for {limit_s:.0f} s") from None

    def _asked(self, request: urllib.request.Request, offset: int, watch: Watch, deadline_s: float) -> None:
        opened = self._opened(request, watch)
        if opened is None:
            return
        with opened as answer:
            start, total = self._accepted(answer, offset)
            if start == 0:
                self._forget()
            self._check_space(start, total)
            if start == 0:
                self._note(answer)
            self._receive(answer, start, total, watch, deadline_s)

    def _opened(self, request: urllib.request.Request, watch: Watch) -> Any | None:
        """The answer, still to be read; None where all of the file is here already."""
        host = urlsplit(self.url).hostname
        try:
            return watch.opener().open(request, timeout=self.limits.stall_s)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416:
                    if error.headers.get("Content-Range", "") == f"bytes */{self._have_bytes()}":
                        return None
                    self._forget()
                    raise PassingError("it has other content than before") from None
                if error.code in _FINAL or (300 <= error.code < 500 and error.code not in (408, 425, 429)):
                    said = _FINAL.get(error.code, f"answers {error.code} {error.reason}")
                    raise ModelError(
                        f"{without_secrets(self.url)}: {host} {said}: look whether the model is still "
                        "offered there, or bring the file in a folder and name that with --from"
                    ) from None
                raise PassingError(f"{host} answers {error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise told(error.reason, host, self.limits.stall_s) from None
        except (OSError, http.client.HTTPException) as error:
            raise told(error, host, self.limits.stall_s) from None
        except ValueError as error:
            raise ModelError(
                f"{without_secrets(self.url)}: leads to what is no address ({error}): correct what --from "
                "says, or bring the file in a folder and name that with --from"
            ) from None

    def _accepted(self, answer: Any, offset: int) -> tuple[int, int | None]:
        """Where the answer begins, and how long the whole file is; what cannot be the file is refused."""
        headers, where = answer.headers, without_secrets(self.url)
        if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise ModelError(
                f"{where}: a web page came in the place of the file, as from a network that wants a sign-in "
                "or a filter: sign in with a browser, or bring the file in a folder and name that with --from"
            )
        if headers.get("Content-Encoding", "identity") != "identity":
            raise ModelError(f"{where}: came packed ({headers['Content-Encoding']}), which was not asked for")
        length = headers.get("Content-Length", "")
        total = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
        start = 0
        if answer.status == 206:
            span = _SPAN.fullmatch(headers.get("Content-Range", ""))
            if span is None or int(span[1]) != offset:
                self._forget()
                raise PassingError("it answers with another part than it was asked for")
            start, total = offset, int(span[2])
        elif answer.status != 200:
            raise PassingError(f"it answers {answer.status}")
        if total is not None and self.size_bytes is not None and total != self.size_bytes:
            self._forget()
            raise ModelError(
                f"{where}: is {total:,} bytes long, and {self.size_bytes:,} are expected: it is another file "
                "than the one that is pinned; look at what its publisher changed"
            )
        if total is not None and total > self.most_bytes:
            raise ModelError(f"{where}: is {total:,} bytes long; more than {self.most_bytes:,} are not taken")
        return start, total

    def _check_space(self, start: int, total: int | None) -> None:
        if total is None:
            return
        if fault := short_of_space(self.part.parent, total - start):
            raise ModelError(fault)

    def _receive(self, answer: Any, start: int, total: int | None, watch: Watch, deadline_s: float) -> None:
        host, done = urlsplit(self.url).hostname, start
        with self._writable(start) as file:
            while True:
                try:
                    chunk: bytes = answer.read1(_CHUNK_BYTES)
                except (OSError, http.client.HTTPException) as error:
                    raise told(error, host, self.limits.stall_s) from None
                if watch.is_stalled:
                    raise PassingError(f"{host} gave nothing more")
                if not chunk:
                    break
                watch.progress()
                if done == 0 and chunk.lstrip()[:1] == b"<":
                    self._forget()
                    raise ModelError(
                        f"{without_secrets(self.url)}: a web page came in the place of the file: sign in to "
                        "this network with a browser, or bring the file in a folder and name that with --from"
                    )
                done += len(chunk)
                if done > self.most_bytes:
                    self._forget()
                    raise ModelError(
                        f"{without_secrets(self.url)}: more than {self.most_bytes:,} bytes came, which no "
                        "such file has"
                    )
                self._write(file, chunk)
                self.report.progress(done, total)
                if time.monotonic() > deadline_s:
                    raise ModelError(self._given_up(f"not done within {self.limits.deadline_s:.0f} s"))
            if total is not None and done < total:
                raise PassingError(f"{host} broke off after {done:,} of {total:,} bytes")
            self._sync(file)

    def _writable(self, start: int) -> IO[bytes]:
        try:
            file = self.part.open("r+b" if start else "wb", buffering=0)
            file.seek(start)
        except OSError as error:
            raise full_disk(self.part.parent, error) from error
        return file

    def _write(self, file: IO[bytes], chunk: bytes) -> None:
        try:
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            self._forget()
            raise full_disk(self.part.parent, error) from error

    def _sync(self, file: IO[bytes]) -> None:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            self._forget()
            raise full_disk(self.part.parent, error) from error

    def _proved(self) -> str:
        with self.part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if self.sha256 is not None and found != self.sha256:
            self._forget()
            raise ModelError(
                f"{without_secrets(self.url)}: what came has the SHA-256 {found[:12]}…, and "
                f"{self.sha256[:12]}… is pinned; it was removed: try again, and if it stays so ask its "
                "publisher what changed"
            )
        return found

    def _have_bytes(self) -> int:
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    @property
    def _note_file(self) -> Path:
        return self.part.with_name(f"{self.part.name}.note")

    def _note(self, answer: Any) -> None:
        """Writes down what the server calls this content; without a name for it nothing can be resumed."""
        etag, date = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        validator = etag if etag and not etag.startswith("W/") else date
        if validator:
            try:
                self._note_file.write_text(json.dumps({"url": self.url, "validator": validator}))
            except OSError as error:
                self._forget()
                raise full_disk(self.part.parent, error) from error

    def _resumable(self) -> tuple[int, str]:
        """The bytes that are here and what the server called them; (0, "") where it must begin anew."""
        try:
            note = json.loads(self._note_file.read_text())
            if note["url"] == self.url and re.fullmatch(r"[\x20-\x7e]{1,200}", note["validator"]):
                return self._have_bytes(), note["validator"]
        except (OSError, ValueError, TypeError, KeyError):
            pass
        return 0, ""

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._note_file.unlink(missing_ok=True)
