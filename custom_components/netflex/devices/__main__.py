"""The command line of devices: `python -m custom_components.netflex.devices`."""

import sys

from ..cli.devices import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
