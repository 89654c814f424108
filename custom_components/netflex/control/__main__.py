"""The command line of the decision: `python -m custom_components.netflex.control`."""

import sys

from ..cli.control import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
