"""HTTP: the GraphQL endpoint, uploads, files, health."""
