"""Live video to browsers over WebRTC: peers, leases and the relay that sends a camera's own packets."""
