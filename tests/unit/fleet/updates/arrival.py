"""A package as it comes."""

import hashlib

NAME, CONTENT = "windows11.0-kb5058411-x64_6c1f.msu", b"a package" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
