"""Names that the whole integration shares."""

import logging
from typing import Final

DOMAIN: Final = "netflex"
NAME: Final = "Netflex"
LOGGER = logging.getLogger(__package__)

ENTRY_VERSION: Final = 1
"""Major version of a config entry's data; another one is refused."""
ENTRY_MINOR_VERSION: Final = 1
