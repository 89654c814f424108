"""The bare station: `python -m custom_components.netflex.telecontrol`."""

from ..cli.telecontrol import main

if __name__ == "__main__":
    main()
