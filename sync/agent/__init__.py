"""The POD's side of the cloud: its identity, and the agent that syncs list and audit."""
