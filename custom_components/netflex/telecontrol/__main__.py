"""The bare station: `python -m custom_components.netflex.telecontrol`.

With `rehearse` as its first argument it is the other end: the operator's list is gone
through against a station.
"""

import sys

from ..cli import rehearse, telecontrol

if __name__ == "__main__":
    if sys.argv[1:2] == ["rehearse"]:
        rehearse.main(sys.argv[2:])
    else:
        telecontrol.main()
