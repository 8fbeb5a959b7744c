"""Train the bundled models from pictures. Needs the `train` extra; nothing else imports this package."""
