"""The pure rules: municipality codes, residence cards, notices and their layouts."""
