"""What every long-running part needs: supervision, heartbeats, logs, metrics. Knows nothing of gates."""
