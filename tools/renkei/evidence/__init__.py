"""What is known of machines, and what follows from it."""
