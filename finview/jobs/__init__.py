"""Runs the jobs of the table: claims, fences, retries; the only room that knows dramatiq."""
