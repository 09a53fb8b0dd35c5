"""Images that make a bought machine the terminal of one endpoint: rendered, checked, built, signed."""
