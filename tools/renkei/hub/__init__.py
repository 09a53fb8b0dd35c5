"""The server at the LGWAN-ASP."""
