"""TensorRT and TensorRT-RTX: networks parsed, walked, built into engines and run."""
