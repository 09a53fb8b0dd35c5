"""For clients that speak plain HTTP: without this, httpx reads every CA of the system for each of them."""

import ssl
from typing import Final

NO_CAS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
