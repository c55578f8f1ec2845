"""Services: other programs send sound over a protocol, and receive what was heard."""
