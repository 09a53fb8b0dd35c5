"""Scripts that make files of the repository from their sources; run by hand, their results are committed."""
