"""The cards in a real browser."""
