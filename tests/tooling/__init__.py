"""Tests of the repository itself: what its files must be for whoever installs it."""
