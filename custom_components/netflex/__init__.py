"""Netflex: the energy management system of one grid connection.

The package has two doors. Home Assistant enters through the names below; the
command lines of the lower layers enter through their own folders, without Home
Assistant, and must not pay for it or need it.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "homeassistant" in sys.modules:
    from .lifecycle import (
        CONFIG_SCHEMA,
        async_migrate_entry,
        async_remove_config_entry_device,
        async_remove_entry,
        async_setup,
        async_setup_entry,
        async_unload_entry,
    )

    __all__ = [
        "CONFIG_SCHEMA",
        "async_migrate_entry",
        "async_remove_config_entry_device",
        "async_remove_entry",
        "async_setup",
        "async_setup_entry",
        "async_unload_entry",
    ]
