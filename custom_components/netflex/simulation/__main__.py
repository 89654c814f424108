"""Enter the command lines of the simulation.

`python -m custom_components.netflex.simulation devices` runs a simulated site,
`... operator` the grid operator's RTU, each in a process of its own.
"""

import sys

from ..cli.simulation import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
