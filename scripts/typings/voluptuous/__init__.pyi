# Home Assistant answers to the name voluptuous with probatio.
from probatio import *  # noqa: F403
