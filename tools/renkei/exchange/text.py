"""Text from outside, on its way to a screen or a log."""


def printable(text: str) -> str:
    """Return a text in which nothing moves a cursor, begins a line or turns the text beside it: spaces stand there."""
    return "".join(each if each.isprintable() or each == "\u3000" else " " for each in text)
