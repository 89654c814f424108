"""The command line of meters: `python -m custom_components.netflex.metering`."""

import sys

from ..cli.metering import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
