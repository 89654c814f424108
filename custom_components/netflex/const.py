"""Names that the whole integration shares."""

from typing import Final

DOMAIN: Final = "netflex"
