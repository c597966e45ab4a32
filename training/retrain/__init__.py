"""`inspector retrain`: snapshots of labels, the gate, and the jobs between them."""
