"""Training: from a labelled data set to a proven bundle."""
