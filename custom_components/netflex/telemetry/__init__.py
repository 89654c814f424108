"""Readings kept in the house: a bounded store, roll-ups, gaps and figures."""
