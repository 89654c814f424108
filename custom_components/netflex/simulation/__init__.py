"""The other end of every wire: a site's devices and the grid operator's RTU.

One physics process stands behind all device wires, so that what one device does
is measured by the others; the RTU runs in a process of its own. Nothing here is
used by an installation: it serves the demonstration, tests and rehearsals.
"""
