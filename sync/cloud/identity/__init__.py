"""Who a POD is to the cloud: certificates, join tokens, API keys, and how all of them end."""
