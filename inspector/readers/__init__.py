"""One module per layout of a labelled folder: how it is recognised, read, and how its annotation files are."""
