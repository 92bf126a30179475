"""Debtors, cases, invoices, and the claim account that explains every cent."""
