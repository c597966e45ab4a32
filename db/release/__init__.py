"""Releases as rows: what was asked, what was done, what is seen, and the stepping between them (`inspector release`)."""
