"""Tests of the readings that are kept."""
