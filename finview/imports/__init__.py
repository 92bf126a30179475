"""From a client's spreadsheet to debtors, cases and invoices, and back."""
