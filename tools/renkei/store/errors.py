"""What any store raises when the machine is at fault and not the request."""


class StoreError(Exception):
    """The store can't be opened or can't commit; the message names the file or the server."""


class StoreBusyError(StoreError):
    """More writes wait than the store takes; try again later."""
