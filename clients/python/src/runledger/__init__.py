"""Reports long-running operations to Runledger: see README.md."""

from . import events
from .aio import AsyncLedger
from .errors import AlreadyTaken, LedgerAway, Refused, RunledgerError, Trouble
from .ledger import Dispatched, Ledger, Ticket
from .limits import Limits
from .outbox import Outbox, Relay
from .run import Item, Run

__all__ = [
    "AlreadyTaken",
    "AsyncLedger",
    "Dispatched",
    "Item",
    "Ledger",
    "LedgerAway",
    "Limits",
    "Outbox",
    "Refused",
    "Relay",
    "Run",
    "RunledgerError",
    "Ticket",
    "Trouble",
    "events",
]
