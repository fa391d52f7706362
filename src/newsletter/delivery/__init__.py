"""The one room that sees a text and an address: ledger, message, send loop."""
