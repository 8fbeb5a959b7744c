"""The cloud: collects what PODs report and keeps what they are to know."""
