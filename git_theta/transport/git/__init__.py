"""Objects as blobs of any Git server."""
