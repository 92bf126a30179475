"""What every noun of the API stands on: context, limits, ids, paging, errors, the view."""
