"""Everything that can be found wrong while the journal is read once, by the check it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field

from pitwire.cli.verify.check import Check, Findings


@dataclass(slots=True)
class JournalFindings:
    """One set of findings per check; what each means stands in `checks`."""

    unreadable: Findings = field(default_factory=Findings)
    gaps: Findings = field(default_factory=Findings)
    chain: Findings = field(default_factory=Findings)
    partitions: Findings = field(default_factory=Findings)
    epochs: Findings = field(default_factory=Findings)
    cursors: Findings = field(default_factory=Findings)
    days: Findings = field(default_factory=Findings)
    single_use: Findings = field(default_factory=Findings)
    approvals: Findings = field(default_factory=Findings)
    states: Findings = field(default_factory=Findings)
    halted: Findings = field(default_factory=Findings)
    limits: Findings = field(default_factory=Findings)
    doubted: Findings = field(default_factory=Findings)
    reservations: Findings = field(default_factory=Findings)
    identity: Findings = field(default_factory=Findings)
    double_entry: Findings = field(default_factory=Findings)
    fold: Findings = field(default_factory=Findings)

    def checks(self, *, records: int, ledger: int, decisions: int, orders: int, accounts: int) -> list[Check]:
        """The checks that the journal alone answers."""
        of_ledger, of_orders = f"{ledger:,} ledger records", f"{orders:,} orders"
        return [
            self.unreadable.check("I-32", "every journal record can be read", f"{records:,} records"),
            self.gaps.check("I-28", "no gap: journal, ledgers and execution events count on", f"{records:,} records"),
            self.chain.check("I-10.chain", "every ledger record names the hash of the one before", of_ledger),
            self.partitions.check("I-37", "every record stands in its account's partition", f"{records:,} records"),
            self.epochs.check("I-30", "one leader at a time: epochs only grow", f"{records:,} records"),
            self.cursors.check("I-27.cursors", "cursors in the ledger never move back", of_ledger),
            self.days.check("I-24", "each session day begins once", of_ledger),
            self.single_use.check("I-2.journal", "an order is submitted once, under one venue order", of_orders),
            self.approvals.check(
                "I-3.journal", "each approval is single, and its id is made of its content", of_orders
            ),
            self.states.check("I-4", "order states move only as listed", of_orders),
            self.halted.check("I-21", "nothing was sent under a halt", of_orders),
            self.limits.check("I-16", "limits held at every approval", f"{decisions:,} decisions"),
            self.doubted.check("I-33", "nothing but reductions on doubtful market data", f"{decisions:,} decisions"),
            self.reservations.check("I-17.journal", "reservations = what open orders may still fill", of_ledger),
            self.identity.check("I-11", "equity = capital + realised + unrealised - fees, exactly", of_ledger),
            self.double_entry.check("I-10", "every asset's postings sum to zero", f"{accounts} accounts"),
            self.fold.check("I-29", "two folds agree: one read, one from a snapshot fed twice (I-26)", of_ledger),
        ]
