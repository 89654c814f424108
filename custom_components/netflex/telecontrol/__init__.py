"""The grid operator's telecontrol interface (Netflex) on IEC 60870-5-104."""
