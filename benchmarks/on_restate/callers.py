"""Many callers at once: a small HTTP client, so that it is not the client that is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any


def call_all(port: int, path: str, bodies: Sequence[Any], *, callers: int) -> list[Any]:
    """Call a handler with each body, by so many callers, and give the answers in order."""
    return asyncio.run(_call_all(port, path, bodies, callers))


async def _call_all(port: int, path: str, bodies: Sequence[Any], callers: int) -> list[Any]:
    answers: list[Any] = [None] * len(bodies)
    left = iter(enumerate(bodies))

    async def one_caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for place, body in left:
            answers[place] = await _call(reader, writer, path, body)
        writer.close()

    await asyncio.gather(*(one_caller() for _ in range(callers)))
    return answers


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: Any
) -> Any:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    status = int(lines[0].split()[1])
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    if headers.get("transfer-encoding") == "chunked":
        answer = await _chunks(reader)
    else:
        answer = await reader.readexactly(int(headers.get("content-length", 0)))
    if status >= 300:
        raise RuntimeError(f"{path}: {status} {answer.decode()}")
    return json.loads(answer)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while length := int(await reader.readline(), 16):
        content += await reader.readexactly(length)
        await reader.readline()
    await reader.readline()
    return content
