"""Devices: chargers, batteries, inverters, loads, relays and meters.

Everything behind a small set of natures: registers over Modbus described by a
profile (a data file), or entities that another integration already brings.
"""
