"""The sync software at an endpoint."""
