"""What the update service approves for which ring: the signed catalogue's updates, as far as each ring may have them.

catalogue = read_catalogue(Path("catalogue.json"), Path("root.pem"), now)
approvals(catalogue, {"canary": ["KB5058411"], "early": []})   # {"KB5043080": ["canary"], "KB5058411": ["canary"]}
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from renkei.exchange.bindings import TrustAnchor
from renkei.exchange.parties import AUTHORITY
from renkei.exchange.updates import Catalogue
from renkei.fleet.signed import read_signed


def read_catalogue(file: Path, root: Path, now: datetime) -> Catalogue:
    """Read a catalogue's file, `{"entry": the authority's, "envelope": …}`, and believe it by the root.

    Args:
        file: the signed catalogue.
        root: the trust anchor, PEM.
        now: the moment for which certificates count.

    Raises:
        ValueError: a file can't be read, or the catalogue can't be believed; the text names the file.
    """
    try:
        anchor = TrustAnchor(root.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{root}: is no trust anchor: {error}") from error
    try:
        signed = read_signed(file)
        party = anchor.verify_entry(signed.entry, now, AUTHORITY)
        return Catalogue.open(signed.envelope, party.signing_public_key)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def approvals(catalogue: Catalogue, rings: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Give the rings of every update of a catalogue, in its order: a ring's updates and all that they require.

    Raises:
        DocumentError: a ring is to have what isn't in the catalogue.
    """
    found: dict[str, list[str]] = {update.kb: [] for update in catalogue.updates}
    for ring, kbs in rings.items():
        for update in catalogue.chosen(kbs):
            found[update.kb].append(ring)
    return {kb: sorted(having) for kb, having in found.items()}
