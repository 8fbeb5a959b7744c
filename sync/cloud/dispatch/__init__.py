"""What goes down to PODs: lists, commands and moves, each signed by this service's key alone."""
