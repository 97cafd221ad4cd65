"""Many crystals at once: files, archives and tables become rows, in order, whatever happens on the way."""
