"""Core ML packages of a bundle's float network, for Apple's machines: written and checked on any, run on macOS."""
