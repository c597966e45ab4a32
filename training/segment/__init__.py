"""Segmentation: where a part is defective, pixel by pixel."""
