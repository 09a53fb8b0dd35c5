"""Test hosts and networks, and the page that shows what they did."""
