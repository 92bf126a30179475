"""Plugins: hooks offer, bindings choose, one guard calls."""
