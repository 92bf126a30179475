"""finview: debt collection from the uploaded spreadsheet to the last cent."""

__version__ = "0.1.0"
