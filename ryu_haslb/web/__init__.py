"""The HTTP side: a read-only API, metrics, and a page that shows them live."""
