"""The command line of meters: `python -m custom_components.netflex.metering`."""

from ..cli.metering import main

if __name__ == "__main__":
    main()
