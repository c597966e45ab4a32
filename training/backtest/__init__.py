"""Recorded parts inspected again by another bundle: what would it have said, and what would that cost?"""
