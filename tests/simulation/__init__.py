"""Tests of the other end of every wire."""
