"""Files that a user gives to a form."""

from pathlib import Path
from typing import Final

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.core import HomeAssistant

MOST_OCTETS: Final = 1_000_000


class UploadError(Exception):
    """A file that cannot be read as text, by the key of its message."""

    def __init__(self, key: str) -> None:
        """Give the reason."""
        super().__init__(key)
        self.key = key


def read_upload(hass: HomeAssistant, file_id: str) -> str:
    """Return an uploaded file's text. Blocking.

    Raises:
        UploadError: It is gone, too large, or no text.
    """
    try:
        with process_uploaded_file(hass, file_id) as path:
            return _text(path)
    except ValueError as err:
        raise UploadError("file_gone") from err


def _text(path: Path) -> str:
    """Return a file's text; spreadsheets write UTF-8 or the Western European page."""
    with path.open("rb") as file:
        octets = file.read(MOST_OCTETS + 1)
    if len(octets) > MOST_OCTETS:
        raise UploadError("file_too_large")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UploadError("file_not_text")
