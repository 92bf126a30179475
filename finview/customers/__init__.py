"""Who gives the mandate: business units, customers, contacts, portfolios, buckets, settings."""
