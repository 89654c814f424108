"""What the site exchanges with markets and platforms beyond the house."""
