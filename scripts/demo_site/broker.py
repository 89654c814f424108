"""Becomes the MQTT broker of the demonstration: `… broker PROGRAM PORT FOLDER`.

A process of its own that ends with its parent: mosquitto takes this one's place, so
that killing it kills the broker.
"""

import os
from pathlib import Path
import shutil
import signal
import sys

from .processes import end_with_parent


def find_broker() -> str | None:
    """Return where mosquitto is, which Debian keeps out of a user's search path."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH')}:/usr/sbin")


def main() -> None:
    """Write the configuration and become the broker."""
    end_with_parent(signal.SIGTERM)
    program, port, folder = sys.argv[1:]
    config = Path(folder) / "broker.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\n"
        "allow_anonymous true\n"
        # Who has subscribed is known after a kill, so that nobody misses what comes
        # before he is back.
        "persistence true\n"
        f"persistence_location {folder}/\n"
        "autosave_on_changes true\n"
        "autosave_interval 1\n"
        "max_queued_messages 0\n"
        # Of root it would leave for a user who cannot read the folder.
        "user root\n"
    )
    os.execv(program, [program, "-c", str(config)])


if __name__ == "__main__":
    main()
