"""The command line of brokers: `python -m custom_components.netflex.northbound`."""

import sys

from ..cli.northbound import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
