"""Tests of markets, schedules and dispatch as Home Assistant gives them."""
