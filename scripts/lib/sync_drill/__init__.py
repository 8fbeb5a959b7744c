"""Both halves of the sync protocol in a made-up world that loses, doubles, delays and crashes."""
