"""Imports: from the upload to launched workflows, and back."""
