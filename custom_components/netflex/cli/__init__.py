"""Command lines: for installers and for trying things without Home Assistant."""
