"""What goes wrong in the lab."""


class LabError(Exception):
    """The lab can't do what was asked; the text says what is wrong, where, and what to do."""
