"""The HTTP client of the hub's protocol."""
