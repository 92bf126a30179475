"""What happens to a case and when: graphs as data, a pure step, one transaction per advance."""
