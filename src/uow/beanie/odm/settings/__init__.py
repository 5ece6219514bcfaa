"""What classes say in their settings."""
