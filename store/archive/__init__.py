"""The cold tier: closed days as gzip files in an object store, in justlog's own layout."""
