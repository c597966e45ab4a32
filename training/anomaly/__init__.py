"""Anomaly detection: learnt from good parts only."""
