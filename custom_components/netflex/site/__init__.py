"""The site: everything that runs it, without Home Assistant."""
