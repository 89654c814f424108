"""What every client of a web service needs: bounded bodies, and when to come back."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from ..model.phrase import Phrase

LONGEST_OBEYED: Final = 86_400.0
"""s of a Retry-After that are believed."""


class BodyTooLargeError(Exception):
    """An answer is larger than anything that makes sense."""

    def __init__(self, most: int) -> None:
        """Name the bound in octets."""
        super().__init__(
            Phrase(
                "http_too_large",
                "The answer is larger than {size}",
                size=f"{most // 1024} KiB",
            )
        )


async def bounded_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the whole body, unpacked. Raises BodyTooLargeError above `most` octets."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > most:
            response.close()
            raise BodyTooLargeError(most)
    return bytes(body)


def retry_after(response: aiohttp.ClientResponse, now: datetime) -> float | None:
    """Return the s that a site wants to be left alone, None where it says nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        seconds = float(text[:9])
    elif (at := http_date(text)) is not None:
        seconds = (at - now).total_seconds()
    else:
        return None
    return min(max(0.0, seconds), LONGEST_OBEYED)


def http_date(text: str) -> datetime | None:
    """Return a time of a header, None where there is none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
