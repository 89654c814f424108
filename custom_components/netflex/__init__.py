"""Netflex: the energy management system of one grid connection."""
