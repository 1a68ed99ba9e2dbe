"""What each service is: its roles, how they are rendered, and when they are ready."""
