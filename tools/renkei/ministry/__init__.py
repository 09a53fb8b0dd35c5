"""The ministry's side: registration authority, connector, simulator of the immigration system."""
