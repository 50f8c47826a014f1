"""Users, videos and requests: what happens in a day."""
