"""The source of truth: municipalities, fleets, addresses, flows."""
