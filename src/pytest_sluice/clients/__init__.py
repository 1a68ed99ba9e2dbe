"""What a test holds of a service: clients, each call on connections of its own."""
