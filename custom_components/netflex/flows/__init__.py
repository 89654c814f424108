"""The forms of a site and of its meters and assets, one file per kind."""
