"""The whole cloud on one machine, from pip alone: database, broker, services, certificates."""
