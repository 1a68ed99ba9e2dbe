"""What each service is: its roles, how they are rendered, when they are ready, and a client."""
