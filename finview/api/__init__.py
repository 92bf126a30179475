"""The GraphQL API: types, queries and mutations of one noun together, thin over the rooms."""
