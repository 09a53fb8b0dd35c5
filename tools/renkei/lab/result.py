"""What a run of the kit found: the figures behind the terminal summary and the page (build/<fleet>/result.json)."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from renkei.evidence.verdict import Verdict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(_Record):
    """One step of `up`; `changed` counts the tasks that changed a host, None where the step isn't a playbook."""

    name: str
    seconds: float
    changed: int | None = None


class HostResult(_Record):
    """One host of the lab."""

    name: str
    site: str
    part: str
    address: str
    state: str
    failed_units: list[str]
    verdict: Verdict | None

    @property
    def is_well(self) -> bool:
        """Tell whether it runs, with all its units, and passed every check."""
        return (
            self.state == "running" and not self.failed_units and self.verdict is not None and not self.verdict.failed
        )


class EndpointResult(_Record):
    """What went between one endpoint and the ministry in this run.

    `sent` and `received` are notices as the endpoint sees them, `receipts` the recipients' receipts for parcels either
    way, `line_bytes` all bytes over the endpoint's LGWAN interface (None where there is no line), `seconds` from the
    first notice laid into an outbox to the last receipt. `types` counts the notices sent by type (通知種別), `results`
    what became of them at the ministry (取込済, エラー, 未取込). `answers` counts what became of the ministry's notices
    (法務省通知) at the register beyond the `bridge` (folder, media or none), `unanswered` those of which the ministry
    has no result, `confirmed` those about 特別永住者 that a clerk let through.
    """

    code: str
    name: str
    link: str
    line_kbps: int | None
    sent: int
    received: int
    parcels: int
    receipts: int
    line_bytes: int | None
    seconds: float
    types: dict[str, int] = {}
    results: dict[str, int] = {}
    bridge: str = "none"
    answers: dict[str, int] = {}
    unanswered: int = 0
    confirmed: int = 0

    @property
    def answered(self) -> bool:
        """Tell whether every notice has its result, those of the endpoint and those of the ministry."""
        return sum(self.types.values()) == sum(self.results.values()) and self.unanswered == 0


class Result(_Record):
    """One run of `./kit up`."""

    fleet: str
    started_at: datetime
    finished_at: datetime
    reused: bool
    phases: list[Phase]
    hosts: list[HostResult]
    endpoints: list[EndpointResult]

    def is_good(self) -> bool:
        """Tell whether every host runs and passes its checks, every parcel has its receipt, every notice its result."""
        hosts = all(
            host.state == "running" and (host.verdict is None or host.verdict.failed == 0) for host in self.hosts
        )
        return hosts and all(each.parcels == each.receipts > 0 and each.answered for each in self.endpoints)
