"""What people read: one page about a model, or about several, that needs nothing beside it."""
