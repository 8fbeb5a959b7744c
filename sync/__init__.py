"""The wire protocol, the pod's agent and the cloud. Holds the live player: the pod works alone."""
