"""Meters: what the user ports and the demand of the quarter hour say."""
