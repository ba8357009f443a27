"""What people are told: templates, channels, and the relay that empties the outbox."""
