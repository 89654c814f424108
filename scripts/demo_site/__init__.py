"""The demonstration: a real Home Assistant in front of a simulated site."""
