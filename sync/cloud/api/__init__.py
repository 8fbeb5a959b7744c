"""What PODs ask the cloud for over HTTPS: to be let in, certificates, a place for pictures."""
