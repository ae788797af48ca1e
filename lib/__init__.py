"""The book's shared package: see the API page for what lives where."""
