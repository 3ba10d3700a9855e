"""What crosses the wire to the gateway: models, the typed client, verification of its tokens."""
