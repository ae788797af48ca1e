"""Denoisers, their training and sampling: knows no dataset, imports nothing else of `lib`."""
