"""`inspector dataset check`: what is wrong with a labelled folder before anything is learnt from it."""
