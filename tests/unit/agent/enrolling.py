"""What the authority answers to a terminal's request."""

from typing import Any

from renkei.exchange.enrolment import code_key

SHINJUKU = "131041"


def answer(fleet: Any, code: str | None = None, generation: int = 1, **change: object) -> int:
    """What the registration authority does: check the proof, issue, answer; returns how many requests there were."""
    with fleet.authority() as client:
        queue = client.enrolments()
        for queued in queue:
            request = queued.request
            if code is not None:
                request.check_proof(code_key(code, request.endpoint, request.terminal))
            values = {
                "csr": request.csr,
                "party": request.endpoint,
                "terminal": request.terminal,
                "receiving": request.receiving_key,
                "generation": generation,
            }
            client.approve(queued.id, fleet.pki.entry(**{**values, **change}))
        return len(queue)
