"""Tests of the devices: profiles, links, natures."""
