"""Releases as rows: what was asked, done and seen, and the stepping between them (`inspector release`)."""
