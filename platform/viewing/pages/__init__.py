"""One module a page: what it shows, and what of it changes while a search runs."""
