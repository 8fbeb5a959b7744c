"""Live video to browsers: the relay that sends, the peers it sends to."""
