"""Tests of the Netflex integration."""
