"""A multipart upload, streamed to disk: never more of it in memory than one read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from server.batch.store.folder import Aside
from server.errors import BodyTooLarge, InvalidRequest, RequestTimeout
from server.units import show_size

MOST_FIELDS = 32
LONGEST_FIELD = 64 * 2**10  # bytes of a field that is no file
LONGEST_NAME = 255  # characters of a file's name
EXAMPLE = 'send multipart/form-data with "purpose" and "file", e.g. curl -F purpose=batch -F file=@input.jsonl'


class Gone(Exception):
    """The client left before its upload was whole."""


class Form:
    """The parts of an upload: fields by name, and one file, which goes to `aside` as it comes. Raises InvalidRequest, BodyTooLarge."""

    def __init__(self, content_type: str, aside: Aside, most: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest(f"The body is not a form: {EXAMPLE}.", code="invalid_content_type")
        self.aside, self.most = aside, most
        self.fields: dict[str, str] = {}
        self.filename: str | None = None  # of the file; None: none has come
        self.whole = False
        self._header = [bytearray(), bytearray()]
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._value: bytearray | None = None  # of a field; None: what comes belongs to the file
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._part,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except (ValueError, MultipartParseError) as error:
            raise InvalidRequest(f"The form's boundary is not valid ({error}): {EXAMPLE}.", code="invalid_content_type") from None

    def feed(self, data: bytes) -> None:
        """Takes what has come. Raises OSError too, where the disk does not take it."""
        try:
            self._parser.write(data)
        except MultipartParseError as error:
            raise InvalidRequest(f"The form is broken at byte {error.offset}: {EXAMPLE}.", code="invalid_form") from None

    def finish(self) -> None:
        """Raises InvalidRequest where the end is missing."""
        if not self.whole:
            raise InvalidRequest("The form ends before its last boundary, so nothing of it was kept: send it again.", code="invalid_form")

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def _part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        self._name = _text(options.get(b"name", b""))
        self._value = None
        if b"filename" in options:
            if self._name != "file":
                raise InvalidRequest(f"The form has a file in the field '{self._name[:64]}': call that field 'file'.", param="file")
            if self.filename is not None:
                raise InvalidRequest("The form has two files: upload one at a time.", param="file")
            self.filename = only_name(_text(options[b"filename"]))
        elif self._name == "file":
            raise InvalidRequest("'file' is a text, not a file: give it a file name, e.g. curl -F file=@input.jsonl.", param="file")
        elif len(self.fields) >= MOST_FIELDS:
            raise InvalidRequest(f"The form has more than {MOST_FIELDS} fields: {EXAMPLE}.", code="invalid_form")
        else:
            self._value = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._value is not None:
            self._value += data[start:end]
            if len(self._value) > LONGEST_FIELD:
                raise InvalidRequest(f"The field '{self._name[:64]}' is longer than {show_size(LONGEST_FIELD)}.", code="invalid_form")
            return
        if self.aside.size + end - start > self.most:
            raise too_large(self.most)
        self.aside.write(memoryview(data)[start:end])

    def _part_end(self) -> None:
        if self._value is not None:
            self.fields[self._name] = _text(bytes(self._value))

    def _end(self) -> None:
        self.whole = True


async def read(request: Request, form: Form, disk: Executor, silence: float, most_refused: int) -> None:
    """Feed the request's body to `form`, in a thread. `silence`: seconds between two pieces. Raises what `form` does, Gone.

    A client that does not wait to be told reads its answer only when its body is sent: after a refusal up to `most_refused` bytes
    more are read and dropped.
    """
    loop = asyncio.get_running_loop()
    pieces = _pieces(request, silence)
    async for data in pieces:
        try:
            await loop.run_in_executor(disk, form.feed, data)
        except (InvalidRequest, BodyTooLarge, OSError):
            with contextlib.suppress(Gone, RequestTimeout):
                async for rest in pieces:
                    most_refused -= len(rest)
                    if most_refused < 0:
                        break
            raise
    form.finish()


async def _pieces(request: Request, silence: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(silence):
                message = await request.receive()
        except TimeoutError:
            raise RequestTimeout(f"Nothing came of the upload for {silence:g} s, so nothing of it was kept: send it again.") from None
        if message["type"] == "http.disconnect":
            raise Gone
        if body := message.get("body"):
            yield body
        if not message.get("more_body"):
            return


def too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The file has more than {most:,} bytes: split it, or raise `batch.max_file` in the configuration.",
        param="file",
        code="file_too_large",
    )


def only_name(name: str) -> str:
    """A file's name without folders and control characters."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c.isprintable()).strip()
    return name[:LONGEST_NAME] if name.strip(".") else "upload"


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
