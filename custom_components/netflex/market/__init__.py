"""Markets, schedules and dispatch as Home Assistant's entities and actions give them.

Everything that is read here is turned into the values of `model/` and handed to the
site as one; what says nothing, or nothing that is fresh, is absent there.
"""
