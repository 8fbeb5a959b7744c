"""The wire protocol, the pod's agent and the cloud. Holds nothing yet: the pod works alone."""
